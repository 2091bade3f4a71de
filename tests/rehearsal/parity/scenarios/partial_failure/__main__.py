from testing_package import STEP, Thing

good = Thing("good", size=1)
bad = Thing("bad", of=good.made, size=1 if STEP < 3 else 2)
Thing("after", of=bad.made)
