from pulumi import ResourceOptions
from testing_package import STEP, Thing

Thing("taken", ResourceOptions(import_="there") if STEP < 3 else None, force=1 if STEP < 2 else 2, label="label-1")
