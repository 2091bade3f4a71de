from testing_package import STEP, Thing

first = Thing("first", half=STEP in (1, 2, 4), size=STEP)
Thing("second", of=first.made)
