from pulumi import ResourceOptions
from testing_package import STEP, Thing

other = Thing("other", size=1)
options = ResourceOptions(protect=STEP < 5, depends_on=[other])
if STEP != 2:
    Thing("kept", options, force={3: 2, 5: 3}.get(STEP, 1))
