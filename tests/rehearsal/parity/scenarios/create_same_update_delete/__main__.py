import pulumi
from testing_package import STEP, Thing

first = Thing("first", size=2 if STEP > 2 else 1, tags={"team": "inference"}, items=[1, 2.5, None, "x", True])
if STEP < 4:
    second = Thing("second", of=first.made, text=pulumi.Output.concat("made ", first.made))
    pulumi.export("second", second.made)
pulumi.export("first", {"made": first.made, "plain": [1, "two"]})
