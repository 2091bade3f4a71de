from pulumi import ResourceOptions
from testing_package import STEP, Thing

Thing("named", ResourceOptions(replace_on_changes=["size"]), size=1 if STEP == 1 else 2, detailed=True)
Thing("nested", ResourceOptions(replace_on_changes=["spec.*"]), spec={"size": 1 if STEP == 1 else 2})
Thing("other", ResourceOptions(replace_on_changes=["size"]), colour="red" if STEP == 1 else "blue", size=1)
