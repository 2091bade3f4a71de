from pulumi import ResourceOptions
from testing_package import STEP, Thing

Thing("whole", ResourceOptions(ignore_changes=["size"]), size=STEP, colour="red" if STEP < 3 else "blue")
Thing(
    "nested",
    ResourceOptions(ignore_changes=["spec.size", 'tags["a.b"]']),
    spec={"size": STEP, "same": 1},
    tags={"a.b": STEP},
)
Thing("listed", ResourceOptions(ignore_changes=["items[0]"]), items=[STEP, 1])
Thing("starred", ResourceOptions(ignore_changes=["items[*].size"]), items=[{"size": STEP, "kind": "a"}])
if STEP == 1:
    Thing("added", ResourceOptions(ignore_changes=["size"]), colour="red")
else:
    Thing("added", ResourceOptions(ignore_changes=["size"]), colour="red", size=STEP)
