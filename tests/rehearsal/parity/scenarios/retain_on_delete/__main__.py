from pulumi import ResourceOptions
from testing_package import STEP, Group, Thing

options = ResourceOptions(retain_on_delete=True)
if STEP < 3:
    Thing("kept", options, force=STEP)
    group = Group("group", ResourceOptions(retain_on_delete=True))
    Thing("child", ResourceOptions(parent=group), size=1)
Thing("other", size=1)
