from testing_package import STEP, Thing

first = Thing("first", size=1)
Thing("second", of=first.made, forbidden=STEP in (1, 3), tolerated=True, size=STEP)
