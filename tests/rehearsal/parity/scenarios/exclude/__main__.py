from testing_package import STEP, Thing

left = Thing("b-left", size=STEP)
Thing("b-child", of=left.made, size=STEP)
Thing("a-uses", of=left.made, size=STEP)
Thing("a-loose", size=STEP)
if STEP > 1:
    Thing("b-new")
