from testing_package import STEP, Thing

first = Thing("first", size=1 if STEP < 2 else 2)
Thing("second", of=first.made, size=1 if STEP < 2 else 2)
