import pulumi
from pulumi import Output, ResourceOptions
from testing_package import STEP, Thing

password = Output.secret("hunter2" if STEP < 3 else "hunter3")
first = Thing("first", ResourceOptions(additional_secret_outputs=["made", "size"]), password=password, size=1)
second = Thing("second", hidden=True, of=first.made, spec={"password": password, "plain": 1})
Thing("third", key_of=second.key)
Thing("plain", type_="plain:index:Thing", password=password, size=1)
pulumi.export("password", password)
pulumi.export("nested", {"key": second.key, "size": 1})
pulumi.export("plain", "text")
