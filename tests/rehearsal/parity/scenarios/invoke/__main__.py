import pulumi
from pulumi import InvokeOptions, InvokeOutputOptions
from testing_package import STEP, Thing

mine = pulumi.ProviderResource("testing", "mine", {"zone": "z"})
answer = pulumi.runtime.invoke("testing:index:double", {"number": 21 if STEP < 3 else -1}).value
first = Thing("first", answer=answer["doubled"])
through = pulumi.runtime.invoke("testing:index:double", {"number": 4}, InvokeOptions(provider=mine)).value
later = pulumi.runtime.invoke_output("testing:index:double", {"number": first.made.apply(len)})
waiting = pulumi.runtime.invoke_output("testing:index:double", {"number": 1}, InvokeOutputOptions(depends_on=[first]))
Thing("second", through=through["doubled"], later=later.apply(lambda value: value["doubled"]))
pulumi.export("waiting", waiting.apply(lambda value: value["doubled"]))
