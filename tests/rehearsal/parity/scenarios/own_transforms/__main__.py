from pulumi import ResourceOptions, ResourceTransformArgs, ResourceTransformResult
from testing_package import Thing


def rename(args: ResourceTransformArgs) -> ResourceTransformResult:
    props = {**args.props}
    props["moved"] = props.pop("of")
    props["added"] = 1
    return ResourceTransformResult(props=props, opts=args.opts)


def leave(args: ResourceTransformArgs) -> None:
    del args


first = Thing("first", size=1)
Thing("renamed", ResourceOptions(transforms=[rename]), of=first.made, size=2)
Thing("left", ResourceOptions(transforms=[leave]), of=first.made, size=2)
Thing("needing", ResourceOptions(depends_on=[first], transforms=[leave]), size=2)
