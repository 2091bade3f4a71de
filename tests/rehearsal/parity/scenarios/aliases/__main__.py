import pulumi
from pulumi import Alias, ResourceOptions
from testing_package import STEP, Group, Thing

OLD = STEP == 1
if OLD:
    Thing("old-name", size=1)
    Thing("moved", size=1)
    Thing("retyped", type_="testing:index:Former", size=1)
    group = Group("old-group")
    home = Group("home")
else:
    Thing("new-name", ResourceOptions(aliases=[Alias(name="old-name")] if STEP == 2 else None), size=1)
    home = Group("home")
    Thing("moved", ResourceOptions(parent=home, aliases=[Alias(parent=pulumi.ROOT_STACK_RESOURCE)]), size=1)
    Thing("retyped", ResourceOptions(aliases=[Alias(type_="testing:index:Former")]), size=1)
    group = Group("new-group", ResourceOptions(aliases=[Alias(name="old-group")]))
name = "old-group" if OLD else "new-group"
child = Thing(f"{name}-child", ResourceOptions(parent=group), size=1)
inner = Group("inner", ResourceOptions(parent=group))
Thing("grandchild", ResourceOptions(parent=inner), of=child.made)
pulumi.export("child", child.made)
