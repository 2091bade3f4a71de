from testing_package import STEP, Thing

base = Thing("base", force=2 if STEP > 1 else 1)
Thing("updated", of=base.made)
Thing("replaced", force=base.made)
