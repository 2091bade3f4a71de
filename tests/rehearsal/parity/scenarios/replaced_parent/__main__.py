from pulumi import Alias, ResourceOptions
from testing_package import STEP, Group, Thing

outer = Group("outer")
parent = Thing("parent", force=1 if STEP == 1 else 2)
Thing("child", ResourceOptions(parent=parent), size=1)
moved = Group("moved", ResourceOptions(parent=outer, aliases=[Alias(parent=None)]) if STEP == 3 else None)
Thing("in-moved", ResourceOptions(parent=moved), size=1)
