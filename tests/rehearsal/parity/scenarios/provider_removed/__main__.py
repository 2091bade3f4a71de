import pulumi
from pulumi import ResourceOptions
from testing_package import STEP, Group, Thing

if STEP != 2:
    mine = pulumi.ProviderResource("testing", "mine", {"zone": "z"})
    group = Group("group", ResourceOptions(providers=[mine]))
    first = Thing("first", ResourceOptions(parent=group), size=1)
    Thing("second", ResourceOptions(parent=group), of=first.made)
