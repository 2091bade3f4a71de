from pulumi import CustomTimeouts, ResourceOptions
from testing_package import STEP, Thing

Thing("first", ResourceOptions(custom_timeouts=CustomTimeouts(create="5m", update="1h30m", delete="90s")), size=1)
Thing("second", ResourceOptions(custom_timeouts=CustomTimeouts(create="5m" if STEP < 2 else "10m")), size=1)
