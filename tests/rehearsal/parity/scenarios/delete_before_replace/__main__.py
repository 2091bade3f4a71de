from pulumi import ResourceOptions
from testing_package import STEP, Thing

base = Thing("base", ResourceOptions(delete_before_replace=True), force=2 if STEP > 1 else 1)
replaced = Thing("replaced", force=base.made)
# One after the other: the order of the calls is compared.
updated = Thing("updated", ResourceOptions(depends_on=[replaced]), of=base.made)
Thing("after", ResourceOptions(depends_on=[updated]), force=replaced.made)
Thing("ordered-only", ResourceOptions(depends_on=[base]), size=1)
