from testing_package import Thing

base = Thing("base")
Thing("user", of=base.made)
other = Thing("other")
Thing("happy", of=other.made)
