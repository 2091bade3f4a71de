import pulumi
from pulumi import ResourceOptions
from testing_package import Group, Thing

provider = pulumi.ProviderResource("testing", "mine", {"zone": "z"})
base = Thing("base", ResourceOptions(provider=provider), size=1)
group = Group("group")
middle = Thing("middle", ResourceOptions(parent=group, depends_on=[base]), size=1)
Thing("child", ResourceOptions(parent=middle), size=1)
