import pulumi
from pulumi import ResourceOptions
from testing_package import STEP, Thing

found = Thing("found", ResourceOptions(id="there" if STEP < 4 else "nowhere"))
Thing("user", of=found.made)
if STEP < 3:
    Thing("late", ResourceOptions(id=found.made) if STEP == 2 else None, size=5)
pulumi.export("found", found.made)
