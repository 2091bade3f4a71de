import pulumi
from testing_package import STEP, Thing

first = Thing("first", size=1, force=STEP)
plain = Thing("plain", type_="plain:index:Thing", of=first.made)
Thing("nested", spec={"of": first.made, "list": [first.made, 1], "known": {"a": 1}})
Thing("after-plain", of=plain.made, size=plain.made.apply(len))
pulumi.export("made", pulumi.Output.all(first.made, plain.made).apply(list))
