from pulumi import ResourceOptions
from testing_package import STEP, Group, Thing

host = Thing("host", size=1) if STEP < 4 else None
safe = Group("safe", ResourceOptions(protect=STEP < 3, retain_on_delete=True))
if STEP < 2:
    Thing("gone", ResourceOptions(parent=safe), size=1)
Thing("kept", ResourceOptions(parent=safe), size=1)
Thing("free", ResourceOptions(parent=safe, protect=False, retain_on_delete=False), size=STEP)
if host is not None:
    guests = Group("guests", ResourceOptions(deleted_with=host))
    Thing("guest", ResourceOptions(parent=guests), size=1)
