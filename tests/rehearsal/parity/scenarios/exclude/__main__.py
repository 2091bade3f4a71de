import pulumi
from testing_package import STEP, Group, Thing

west = Group("west")
inside = Thing("west-inside", pulumi.ResourceOptions(parent=west), size=STEP)
Thing("depends", of=inside.made, size=STEP)
Thing("east", size=STEP)
if STEP == 4:
    Thing("new", size=STEP)
if STEP < 5:
    Thing("west-goes", size=1)
    Thing("east-goes", size=1)
pulumi.export("inside", inside.made)
