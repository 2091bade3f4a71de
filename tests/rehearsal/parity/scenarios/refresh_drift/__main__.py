import pulumi
from testing_package import Group, Thing

changed = Thing("changed", size=1, text="x")
gone = Thing("gone", size=1)
Thing("dependent", of=gone.made)
Group("group")
pulumi.export("changed", changed.made)
