from pulumi import ResourceOptions
from testing_package import STEP, Thing

force = 2 if STEP > 1 else 1
first = Thing("first", force=force, dbr=True)
Thing("refused", ResourceOptions(delete_before_replace=False, depends_on=[first]), force=force, dbr=True)
