from testing_package import STEP, Thing

base = Thing("base", force=STEP > 1)
Thing("user", of=base.made)
other = Thing("other", force=STEP > 1)
Thing("happy", of=other.made)
