from testing_package import STEP, Thing

if STEP == 1:
    Thing("updated", detailed=True, size=1, gone="x")
    Thing("replaced", detailed=True, force=1, size=1)
else:
    Thing("updated", detailed=True, size=2, new="x")
    Thing("replaced", detailed=True, force=2, size=2)
