import pulumi
from pulumi import ResourceOptions, ResourceTransformArgs, ResourceTransformResult
from testing_package import STEP, Group, Thing


def for_all(args: ResourceTransformArgs) -> ResourceTransformResult | None:
    if args.type_ != "testing:index:Thing":
        return None
    return ResourceTransformResult(props={**args.props, "tags": {"by": "stack"}}, opts=args.opts)


def for_children(args: ResourceTransformArgs) -> ResourceTransformResult | None:
    if not args.custom:
        return None
    options = ResourceOptions.merge(args.opts, ResourceOptions(protect=False, retain_on_delete=True))
    return ResourceTransformResult(props={**args.props, "group": "yes"}, opts=options)


pulumi.runtime.register_resource_transform(for_all)
first = Thing("first", size=STEP)
group = Group("group", ResourceOptions(transforms=[for_children]))
Thing("child", ResourceOptions(parent=group), size=1, of=first.made)
