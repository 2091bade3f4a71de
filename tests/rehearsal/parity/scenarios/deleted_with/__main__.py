from pulumi import ResourceOptions
from testing_package import STEP, Thing

if STEP < 3:
    holder = Thing("holder", size=1)
    Thing("held", ResourceOptions(deleted_with=holder), size=1)
    if STEP < 2:
        Thing("leaver", ResourceOptions(deleted_with=holder), size=1)
