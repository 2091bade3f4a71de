from pulumi import ResourceOptions
from testing_package import Thing

base = Thing("base", size=1)
middle = [Thing(f"middle-{index}", of=base.made, together=4) for index in range(4)]
Thing("top", ResourceOptions(depends_on=middle), sizes=[thing.made for thing in middle])
