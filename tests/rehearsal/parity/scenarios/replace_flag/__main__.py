from testing_package import Thing

first = Thing("first", size=1)
Thing("second", of=first.made)
