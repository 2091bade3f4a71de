from pulumi import ResourceOptions
from testing_package import STEP, Thing

first = Thing("first", ResourceOptions(delete_before_replace=True), force=1 if STEP == 1 else 2)
Thing("second", of=first.made)
