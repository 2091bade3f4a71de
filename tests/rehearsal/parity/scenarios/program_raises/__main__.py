from testing_package import STEP, Thing

Thing("first", size=1)
if STEP == 2:
    raise ValueError("of the program")
Thing("second", size=1)
