"""Runs components against mocks and keeps what they register, with the options that a user relies on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_gcp as gcp
from pulumi.runtime import mocks

PROJECT, PROJECT_NUMBER = "acme-prod", "123456789012"
PASSWORD = "generated"


@dataclass(frozen=True)
class Registered:
    """A resource as the engine would see it."""

    type: str
    name: str
    inputs: dict[str, Any]
    parent: str
    provider: str
    protect: bool
    ignore_changes: tuple[str, ...]
    delete_before_replace: bool
    dependencies: tuple[str, ...]
    secrets: tuple[str, ...]
    """Inputs that the state keeps encrypted."""


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
        return [item for item in self.resources if item.type.startswith("gcp:")]


class _Mocks(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = {"name": args.name, **args.inputs}
        if args.typ == "gcp:container/cluster:Cluster":
            outputs["endpoint"] = "10.0.128.2"
            outputs["masterAuth"] = {"clusterCaCertificate": "Q0E="}
        if args.typ == "gcp:serviceaccount/account:Account":
            email = f"{args.inputs['accountId']}@{PROJECT}.iam.gserviceaccount.com"
            outputs |= {"email": email, "member": f"serviceAccount:{email}"}
        if args.typ == "gcp:storage/bucket:Bucket":
            outputs["url"] = f"gs://{args.inputs['name']}"
        if args.typ == "gcp:sql/databaseInstance:DatabaseInstance":
            outputs["privateIpAddress"] = "10.0.240.3"
        if args.typ == "gcp:redis/cluster:Cluster":
            outputs["discoveryEndpoints"] = [{"address": "10.0.128.7", "port": 6379}]
        if args.typ == "gcp:artifactregistry/repository:Repository":
            outputs["registryUri"] = f"us-central1-docker.pkg.dev/{PROJECT}/{args.inputs['repositoryId']}"
        if args.typ == "gcp:compute/address:Address":
            outputs["address"] = "203.0.113.7"
        if args.typ == "gcp:filestore/instance:Instance":
            outputs["networks"] = [{**item, "ipAddresses": ["10.0.240.7"]} for item in args.inputs["networks"]]
        if args.typ == "random:index/randomPassword:RandomPassword":
            outputs["result"] = PASSWORD
        return f"projects/{PROJECT}/{args.name}", outputs

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        return {
            "gcp:organizations/getProject:getProject": {"projectId": PROJECT, "number": PROJECT_NUMBER},
            "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": {
                "member": f"serviceAccount:service-{PROJECT_NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
            },
            "gcp:storage/getTransferProjectServiceAccount:getTransferProjectServiceAccount": {
                "member": f"serviceAccount:project-{PROJECT_NUMBER}@storage-transfer-service.iam.gserviceaccount.com"
            },
        }[args.token]


class _Monitor(mocks.MockMonitor):
    def __init__(self, graph: Graph) -> None:
        super().__init__(_Mocks())
        self.graph = graph

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        response = super().RegisterResource(request)
        if request.type.startswith(("gcp:", "novacron:")):
            inputs = mocks.rpc.deserialize_properties(request.object)
            self.graph.resources.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    inputs={name: mocks.rpc.unwrap_rpc_secret(value) for name, value in inputs.items()},
                    parent=request.parent.rpartition("::")[2],
                    provider=request.provider,
                    protect=request.protect,
                    ignore_changes=tuple(request.ignoreChanges),
                    delete_before_replace=request.deleteBeforeReplace,
                    dependencies=tuple(sorted(urn.rpartition("::")[2] for urn in request.dependencies)),
                    secrets=tuple(name for name, value in inputs.items() if mocks.rpc.is_rpc_secret(value)),
                )
            )
        return response

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        self.graph.invokes.append((request.tok, request.provider))
        return super().Invoke(request)


def declare(program: Callable[[pulumi.ResourceOptions], Any]) -> Graph:
    """Run `program` with the options of an explicit provider. It may return outputs."""
    graph = Graph()
    pulumi.runtime.set_mocks(_Mocks(), project="novacron", stack="test", monitor=_Monitor(graph))

    @pulumi.runtime.test
    def run() -> pulumi.Output[Any]:
        provider = gcp.Provider("explicit", project=PROJECT, region="us-central1")
        result = program(pulumi.ResourceOptions(provider=provider))
        return pulumi.Output.from_input(result).apply(lambda value: setattr(graph, "result", value))

    run()
    return graph
