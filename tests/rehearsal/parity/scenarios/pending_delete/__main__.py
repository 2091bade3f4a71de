from testing_package import STEP, Thing

Thing("first", force=1 if STEP == 1 else 2 if STEP < 4 else 3)
