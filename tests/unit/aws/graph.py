"""Runs components against mocks and keeps what they register, with the options that a user relies on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws
from novacron_policy.properties import UNKNOWN
from pulumi.runtime import mocks

ACCOUNT = "123456789012"


def key_arn(use: str, region: str = "us-west-2") -> str:
    """The ARN of the key for `use`."""
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/00000000-0000-0000-0000-{use.encode().hex().zfill(12)[:12]}"


@dataclass(frozen=True)
class Registered:
    """A resource as the engine would see it."""

    type: str
    name: str
    inputs: dict[str, Any]
    secrets: tuple[str, ...]
    """Inputs that the state keeps encrypted."""
    parent: str
    provider: str
    protect: bool
    ignore_changes: tuple[str, ...]
    delete_before_replace: bool
    dependencies: tuple[str, ...]


@dataclass
class Graph:
    """Resources that a program registered."""

    resources: list[Registered] = field(default_factory=list)
    invokes: list[tuple[str, str]] = field(default_factory=list)
    """Token and provider of each."""
    result: Any = None
    """The program's result, with resolved outputs."""

    def of(self, type_: str) -> list[Registered]:
        return [item for item in self.resources if item.type == type_]

    def one(self, type_: str, name: str | None = None) -> Registered:
        (found,) = [item for item in self.of(type_) if name is None or item.name == name]
        return found

    @property
    def custom(self) -> list[Registered]:
        return [item for item in self.resources if item.type.startswith("aws:")]


class _Planned(mocks.Mocks):
    """A preview before anything exists: resources have their inputs and nothing else."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return "", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        return {
            "aws:index/getPartition:getPartition": {"partition": "aws", "dnsSuffix": "amazonaws.com"},
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
        }[args.token]


class _Created(_Planned):
    """Mocks of an update: resources have the outputs that AWS would compute."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = {"arn": f"arn:aws:mock:us-west-2:{ACCOUNT}:{args.name}", "name": args.name, **args.inputs}
        if args.typ == "aws:eks/cluster:Cluster":
            outputs["vpcConfig"] = {**args.inputs["vpcConfig"], "clusterSecurityGroupId": "sg-0123456789abcdef0"}
            outputs["identities"] = [{"oidcs": [{"issuer": "https://oidc.eks.us-west-2.amazonaws.com/id/1"}]}]
            outputs["certificateAuthority"] = {"data": "Q0E="}
            outputs["endpoint"] = "https://1.gr7.us-west-2.eks.amazonaws.com"
        if args.typ == "aws:kms/key:Key":
            outputs |= {"keyId": args.name, "arn": key_arn(args.name.rpartition("-")[2])}
        if args.typ == "aws:lb/loadBalancer:LoadBalancer":
            outputs["dnsName"] = f"{args.name}-0123456789abcdef.elb.us-west-2.amazonaws.com"
        if args.typ == "aws:ecr/repository:Repository":
            outputs["repositoryUrl"] = f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/{args.inputs['name']}"
        if args.typ == "aws:rds/instance:Instance":
            outputs["masterUserSecrets"] = [{"secretArn": f"arn:aws:secretsmanager:us-west-2:{ACCOUNT}:secret:1"}]
        if args.typ == "aws:eks/nodeGroup:NodeGroup":
            outputs["resources"] = [{"autoscalingGroups": [{"name": f"eks-{args.name}"}]}]
        if args.typ == "aws:ec2/launchTemplate:LaunchTemplate":
            outputs["latestVersion"] = 3
        is_files = args.typ.startswith(("aws:efs/fileSystem", "aws:fsx/lustre"))
        return "fs-0123456789abcdef0" if is_files else f"{args.name}-id", outputs


class _Monitor(mocks.MockMonitor):
    def __init__(self, given: mocks.Mocks, graph: Graph) -> None:
        super().__init__(given)
        self.graph = graph

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        response = super().RegisterResource(request)
        if request.type.startswith(("aws:", "novacron:")):
            inputs = mocks.rpc.deserialize_properties(request.object, keep_unknowns=True)
            self.graph.resources.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    inputs=_marked({name: mocks.rpc.unwrap_rpc_secret(value) for name, value in inputs.items()}),
                    secrets=tuple(name for name, value in inputs.items() if mocks.rpc.is_rpc_secret(value)),
                    parent=request.parent.rpartition("::")[2],
                    provider=request.provider,
                    protect=request.protect,
                    ignore_changes=tuple(request.ignoreChanges),
                    delete_before_replace=request.deleteBeforeReplace,
                    dependencies=tuple(sorted(urn.rpartition("::")[2] for urn in request.dependencies)),
                )
            )
        return response

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        self.graph.invokes.append((request.tok, request.provider))
        return super().Invoke(request)


def _marked(value: Any) -> Any:
    if isinstance(value, pulumi.output.Unknown):
        return UNKNOWN
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    return [_marked(item) for item in value] if isinstance(value, list) else value


def monitor(graph: Graph) -> mocks.MockMonitor:
    """Return a monitor that answers registrations as an update does, and records them in the graph."""
    return _Monitor(_Created(), graph)


def declare(program: Callable[[pulumi.ResourceOptions], Any], preview: bool = False) -> Graph:
    """Run `program` with the options of an explicit provider. It may return outputs.

    In a preview, inputs that only the update can tell are `UNKNOWN`.
    """
    graph = Graph()
    given = _Planned() if preview else _Created()
    pulumi.runtime.set_mocks(given, "novacron", "test", preview=preview, monitor=_Monitor(given, graph))

    @pulumi.runtime.test
    def run() -> pulumi.Output[Any]:
        provider = aws.Provider("explicit", region="us-west-2")
        result = program(pulumi.ResourceOptions(provider=provider))
        return pulumi.Output.from_input(result).apply(lambda value: setattr(graph, "result", value))

    run()
    return graph
