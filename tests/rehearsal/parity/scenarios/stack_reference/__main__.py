import pulumi
from pulumi import Output
from testing_package import STEP, Thing

if pulumi.get_stack() == "dev":
    pulumi.export("plain", {"size": STEP})
    pulumi.export("hidden", Output.secret("s3cret"))
else:
    other = pulumi.StackReference("organization/lab/dev")
    Thing("reader", size=other.require_output("plain")["size"], hidden_text=other.get_output("hidden"))
    pulumi.export("hidden", other.get_output("hidden"))
    pulumi.export("missing", other.get_output("missing"))
