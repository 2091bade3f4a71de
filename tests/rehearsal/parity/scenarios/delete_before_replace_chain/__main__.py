from pulumi import ResourceOptions
from testing_package import STEP, Group, Thing

root = Thing("root", force=1 if STEP == 1 else 2, dbr=True)
group = Group("group")
forced = Thing("forced", ResourceOptions(parent=group), force=root.made)
last = Thing("last", force=forced.made)
soft = Thing("soft", of=root.made)
Thing("behind", ResourceOptions(depends_on=[last]), size=1)
Thing("elsewhere", type_="plain:index:Thing", force=root.made)
