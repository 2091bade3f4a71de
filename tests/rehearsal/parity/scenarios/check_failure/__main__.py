from pulumi import ResourceOptions
from testing_package import STEP, Thing

first = Thing("first", size=STEP)
Thing("second", ResourceOptions(depends_on=[first]), size=1, **({"refused": True} if STEP > 1 else {}))
