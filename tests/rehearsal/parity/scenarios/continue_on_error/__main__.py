import pulumi
from testing_package import STEP, Group, Thing

size = 1 if STEP < 3 else 2
Thing("alone", size=size)
broken = Thing("broken", size=size)
used = Thing("used", of=broken.made, size=size)
Thing("user", of=used.made, size=size)
group = Group("group", pulumi.ResourceOptions(depends_on=[broken]))
Thing("member", pulumi.ResourceOptions(parent=group), size=size)
Thing("last", size=size)
if STEP < 3:
    Thing("unwanted")
pulumi.export("size", size)
pulumi.export("user", used.made)
