from pulumi import ResourceOptions
from testing_package import STEP, Thing

first = Thing("first", ResourceOptions(replacement_trigger="one" if STEP < 3 else "two"), size=1)
Thing("together", ResourceOptions(replace_with=[first]), size=1)
Thing("late", ResourceOptions(replacement_trigger=None if STEP < 2 else STEP - STEP), size=1)
