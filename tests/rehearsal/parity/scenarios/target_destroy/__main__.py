from testing_package import Thing

base = Thing("base", size=1)
first = Thing("first", of=base.made)
Thing("second", of=base.made)
Thing("third", of=first.made)
Thing("loose", size=1)
