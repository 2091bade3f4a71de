from testing_package import STEP, Thing

base = Thing("base", size=1)
if STEP < 2:
    first = Thing("first", of=base.made)
