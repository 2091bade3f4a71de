"""The resource graph of a program that runs against a cloud's mocks: what it registers, with the options users rely on.

The mocks of each cloud are in the `graph` module of its folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pulumi
from novacron_policy.properties import UNKNOWN
from novacron_policy.rules import RULES
from novacron_rehearsal.protocol.exec_program import without_unused_work
from pulumi.runtime import mocks
from pulumi.runtime.proto import resource_pb2

_COMPONENTS, _CLOUDS = "novacron:", ("aws:", "gcp:", "azure-native:")
Program = Callable[[pulumi.ResourceOptions], object]
"""Registers resources with the options of an explicit provider. It may return outputs."""


@dataclass(frozen=True)
class Registered:
    """A registered resource as the engine sees it."""

    type: str
    name: str
    inputs: dict[str, Any]
    secrets: tuple[str, ...]
    """Dotted paths of the inputs that the state keeps encrypted."""
    parent: str
    provider: str
    protect: bool
    ignore_changes: tuple[str, ...]
    delete_before_replace: bool
    dependencies: tuple[str, ...]
    """Names, sorted."""
    typed_dependencies: tuple[str, ...]
    """Type without its package, and name, for names that occur with several types."""


@dataclass
class Graph:
    """The resources that a program registered."""

    resources: list[Registered] = field(default_factory=list)
    invokes: list[tuple[str, str]] = field(default_factory=list)
    """Token and provider of each."""
    result: Any = None
    """The program's result, with resolved outputs."""

    def of(self, type_: str) -> list[Registered]:
        """Return the resources of a type, which is given with or without its package."""
        return [item for item in self.resources if type_ in (item.type, _without_package(item.type))]

    def one(self, type_: str, name: str | None = None) -> Registered:
        """Return the only resource of a type, or of a type and name."""
        (found,) = [item for item in self.of(type_) if name is None or item.name == name]
        return found

    @property
    def custom(self) -> list[Registered]:
        """Return the resources that are not components."""
        return [item for item in self.resources if not item.type.startswith(_COMPONENTS)]


class RecordingMonitor(mocks.MockMonitor):
    """A monitor that answers from mocks and records registrations and invokes in a graph."""

    def __init__(self, cloud: mocks.Mocks, graph: Graph, packages: tuple[str, ...] = _CLOUDS) -> None:
        super().__init__(cloud)
        self.graph = graph
        self.recorded = (_COMPONENTS, *packages)

    def RegisterResource(  # noqa: N802
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        response = super().RegisterResource(request)
        if request.type.startswith(self.recorded):
            self.graph.resources.append(_registered(request))
        return response

    def Invoke(  # noqa: N802
        self, request: resource_pb2.ResourceInvokeRequest
    ) -> resource_pb2.ResourceInvokeResponse:
        self.graph.invokes.append((request.tok, request.provider))
        return super().Invoke(request)


def record(
    program: Program,
    cloud: mocks.Mocks,
    provider: Callable[[], pulumi.ProviderResource],
    preview: bool = False,
    packages: tuple[str, ...] = _CLOUDS,
) -> Graph:
    """Run a program against a cloud's mocks and return the graph of what it registers.

    Args:
        program: the program.
        cloud: the mocks.
        provider: makes the explicit provider of the program's resources.
        preview: run as a preview, in which inputs that only the update can determine are `UNKNOWN`.
        packages: beginnings of the types that are recorded, in addition to components.
    """
    graph = Graph()
    pulumi.runtime.set_mocks(
        cloud, "novacron", "test", preview=preview, monitor=RecordingMonitor(cloud, graph, packages)
    )

    @pulumi.runtime.test
    def run() -> pulumi.Output[None]:
        result = program(pulumi.ResourceOptions(provider=provider()))
        return pulumi.Output.from_input(result).apply(lambda value: setattr(graph, "result", value))

    with without_unused_work():
        run()
    return graph


def violations(resource: Registered) -> list[str]:
    """Return how a resource violates the policy pack: its name, the policy and the reason of each violation."""
    return [
        f"{resource.name}: {rule.name}: {reason}"
        for rule in RULES
        for reason in rule.check(resource.type, resource.inputs)
    ]


def changed(resource: Registered, path: str, value: object) -> Registered:
    """Return a copy of a resource in which the input at a dotted path has another value."""
    inputs = cast("dict[str, Any]", _put(resource.inputs, path.split("."), value))
    return replace(resource, inputs=inputs)


def _put(holder: object, steps: list[str], value: object) -> object:
    if not steps:
        return value
    if isinstance(holder, list):
        items = list(cast("list[object]", holder))
        items[int(steps[0])] = _put(items[int(steps[0])], steps[1:], value)
        return items
    members = dict(cast("dict[str, object]", holder))
    members[steps[0]] = _put(members[steps[0]] if steps[1:] else None, steps[1:], value)
    return members


def _registered(request: resource_pb2.RegisterResourceRequest) -> Registered:
    secrets: list[str] = []
    inputs = mocks.rpc.deserialize_properties(request.object, keep_unknowns=True)
    return Registered(
        type=request.type,
        name=request.name,
        inputs={name: _plain(value, name, secrets) for name, value in inputs.items()},
        secrets=tuple(secrets),
        parent=request.parent.rpartition("::")[2],
        provider=request.provider,
        protect=request.protect,
        ignore_changes=tuple(request.ignoreChanges),
        delete_before_replace=request.deleteBeforeReplace,
        dependencies=tuple(sorted(urn.rpartition("::")[2] for urn in request.dependencies)),
        typed_dependencies=tuple(sorted(_typed_name(urn) for urn in request.dependencies)),
    )


def _plain(value: object, path: str, secrets: list[str]) -> object:
    """Return a value without its marks of secrets, whose paths are appended to `secrets`."""
    if mocks.rpc.is_rpc_secret(value):
        secrets.append(path)
        value = mocks.rpc.unwrap_rpc_secret(value)
    if isinstance(value, pulumi.output.Unknown):
        return UNKNOWN
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {key: _plain(item, f"{path}.{key}", secrets) for key, item in members.items()}
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [_plain(item, f"{path}.{index}", secrets) for index, item in enumerate(items)]
    return value


def _without_package(type_: str) -> str:
    return type_.partition(":")[2]


def _typed_name(urn: str) -> str:
    types, name = urn.split("::")[-2:]
    return f"{_without_package(types.rpartition('$')[2])} {name}"
