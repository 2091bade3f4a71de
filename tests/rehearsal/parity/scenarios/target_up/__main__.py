from testing_package import STEP, Group, Thing

first = Thing("first", size=STEP)
Thing("dependent", of=first.made, size=STEP)
Thing("loose", size=STEP)
Group("group")
