import pulumi
from pulumi import Output, ResourceOptions
from testing_package import STEP, Thing

hidden = ResourceOptions(additional_secret_outputs=["password"])
declared = Thing("declared", password=Output.secret("hunter1"))
Thing("declared-plain", type_="plain:index:Thing", password=Output.secret("hunter2"))
Thing("by-option", hidden, password="hunter3")
Thing("by-later-option", hidden if STEP > 2 else None, password="hunter4")
Thing("by-provider", hidden=True)
Thing("read", ResourceOptions(id="existing", additional_secret_outputs=["password"]))
Thing(
    "imported",
    type_="plain:index:Thing",
    opts=ResourceOptions(import_="former", additional_secret_outputs=["made"]),
    password=Output.secret("hunter6"),
)
pulumi.export("made", declared.made)
