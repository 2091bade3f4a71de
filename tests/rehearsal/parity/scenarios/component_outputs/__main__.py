import pulumi
from testing_package import STEP, Thing


class Site(pulumi.ComponentResource):
    def __init__(self, name: str) -> None:
        super().__init__("testing:index:Site", name, {"inputs": STEP})
        thing = Thing(f"{name}-thing", pulumi.ResourceOptions(parent=self), size=1)
        outputs = {"made": thing.made, "hidden": pulumi.Output.secret(STEP)}
        self.register_outputs(outputs if STEP < 3 else {})


name = pulumi.Config().get("name")
Site("site")
if name:
    pulumi.export("name", name)
    pulumi.export("step", STEP)
