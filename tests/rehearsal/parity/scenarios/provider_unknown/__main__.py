import pulumi
from pulumi import ResourceOptions
from testing_package import STEP, Thing

cluster = Thing("cluster", size=1, force=1 if STEP < 3 else 2)
provider = pulumi.ProviderResource("testing", "late", {"endpoint": cluster.made})
app = Thing("app", ResourceOptions(provider=provider), size=1 if STEP < 2 else 2)
pulumi.export("app", app.made)
