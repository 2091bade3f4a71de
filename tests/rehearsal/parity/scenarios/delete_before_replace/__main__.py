from pulumi import ResourceOptions
from testing_package import STEP, Thing

base = Thing("base", ResourceOptions(delete_before_replace=True), force=2 if STEP > 1 else 1)
replaced = Thing("replaced", force=base.made)
Thing("updated", of=base.made)
Thing("after", force=replaced.made)
Thing("ordered-only", ResourceOptions(depends_on=[base]), size=1)
