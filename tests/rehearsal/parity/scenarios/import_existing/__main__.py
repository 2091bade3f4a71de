from pulumi import ResourceOptions
from testing_package import STEP, Thing

options = ResourceOptions(import_="nowhere" if STEP == 1 else "there") if STEP < 5 else None
Thing("taken", options, size=6 if STEP == 2 else 5)
