from pulumi import ResourceOptions
from testing_package import STEP, Thing

options = ResourceOptions(protect=STEP < 5)
if STEP != 2:
    Thing("kept", options, force={3: 2, 5: 3}.get(STEP, 1))
Thing("other", size=1)
