import pulumi
from pulumi import ResourceOptions
from testing_package import STEP, Group, Thing

mine = pulumi.ProviderResource("testing", "mine", {"zone": "z2" if STEP > 1 else "z1"})
other = pulumi.ProviderResource("testing", "other", {"force": "f2" if STEP > 2 else "f1"})
group = Group("group", ResourceOptions(providers=[mine]))
inner = Group("inner", ResourceOptions(parent=group))
Thing("inherited", ResourceOptions(parent=inner), size=1)
Thing("explicit", ResourceOptions(provider=other), size=1)
Thing("default", size=1)
Thing("plain", type_="plain:index:Thing", size=1)
if STEP < 4:
    Thing("versioned", ResourceOptions(version="1.0.0"), size=1)
