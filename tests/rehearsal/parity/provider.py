# ruff: noqa: ARG002, N802 - the protocol gives the methods' names and arguments
"""Simulated providers for comparing the engine with the Pulumi CLI: both talk to the same servers in this process.

Ids and outputs depend on names and inputs only, never on time or order, so that two runs can be compared field by
field. What a resource does is told by its inputs:

- `force`: a change replaces; `dbr`: replacements delete first; `detailed`: diffs come with details
- `half`: created or updated, but with an initialisation error
- `hidden`: the output `key` is a secret
- `together`: the create waits until so many run at the same time
- `label`: made up by the provider when the program gives none; a new one for every replacement
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from google.rpc import status_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer, add_ResourceProviderServicer_to_server

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
_KINDS = provider_pb2.PropertyDiff.Kind


class Cloud:
    """What exists in the simulated cloud, and what was asked of it. Shared by the providers of one run."""

    def __init__(self) -> None:
        self.world: dict[str, dict[str, Any]] = {}
        self.calls: list[list[str]] = []
        """(method, name) of every call that changes or reads something real."""
        self.failing: Mapping[str, list[str]] = {}
        """Names for which a method fails, by method."""
        self._made: dict[str, int] = {}
        self._gates: dict[int, threading.Barrier] = {}
        self._lock = threading.Lock()

    def begin(self, failing: Mapping[str, list[str]], drift: Mapping[str, Any]) -> None:
        """Before a step: what is to fail in it, and what changed behind everyone's back since the last."""
        self.failing = failing
        for identifier, properties in drift.items():
            if properties is None:
                del self.world[identifier]
            else:
                self.world[identifier] = {**self.world[identifier], **properties}

    def note(self, method: str, urn: str, context: Any) -> str:
        """Record a call; ends it where it is to fail. The resource's name."""
        name = urn.rsplit("::", 1)[-1]
        with self._lock:
            self.calls.append([method, name])
        if name in self.failing.get(method, ()):
            context.abort(grpc.StatusCode.UNKNOWN, f"the simulated cloud refuses to {method.lower()} {name}")
        return name

    def make(self, name: str) -> str:
        """A new id."""
        with self._lock:
            self._made[name] = self._made.get(name, 0) + 1
            return f"{name}-{self._made[name]}"

    def wait_for_others(self, count: int) -> None:
        """Return once `count` callers wait; raises `BrokenBarrierError` when they do not come."""
        with self._lock:
            gate = self._gates.setdefault(count, threading.Barrier(count, timeout=20))
        gate.wait()


class Provider(ResourceProviderServicer):
    """One simulated provider; a `plain` one knows neither previews nor secrets."""

    def __init__(self, cloud: Cloud, *, plain: bool = False) -> None:
        self._cloud = cloud
        self._plain = plain

    def Attach(self, request: Any, context: Any) -> Any:
        return Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        return Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="1.0.0")

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return _diff(MessageToDict(request.old_inputs), MessageToDict(request.news))

    def Configure(self, request: Any, context: Any) -> Any:
        able = not self._plain
        return provider_pb2.ConfigureResponse(acceptSecrets=able, acceptResources=able, supportsPreview=able)

    def Check(self, request: Any, context: Any) -> Any:
        olds, news = MessageToDict(request.olds), MessageToDict(request.news)
        if "refused" in news:
            failure = provider_pb2.CheckFailure(property="refused", reason="must not be set")
            return provider_pb2.CheckResponse(inputs=request.news, failures=[failure])
        if "force" in news and "label" not in news:
            news["label"] = olds.get("label") or f"label-{news['force']}"
        return provider_pb2.CheckResponse(inputs=_struct(news))

    def Diff(self, request: Any, context: Any) -> Any:
        return _diff(MessageToDict(request.old_inputs), MessageToDict(request.news))

    def Create(self, request: Any, context: Any) -> Any:
        properties = MessageToDict(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=_struct(_outputs(properties, UNKNOWN)))
        name = self._cloud.note("Create", request.urn, context)
        if "together" in properties:
            self._cloud.wait_for_others(int(properties["together"]))
        identifier = self._cloud.make(name)
        outputs = _outputs(properties, identifier)
        self._cloud.world[identifier] = outputs
        if properties.get("half"):
            _abort_half_made(context, identifier, outputs, request.properties)
        return provider_pb2.CreateResponse(id=identifier, properties=_struct(outputs))

    def Update(self, request: Any, context: Any) -> Any:
        outputs = _outputs(MessageToDict(request.news), request.id)
        if not request.preview:
            self._cloud.note("Update", request.urn, context)
            self._cloud.world[request.id] = outputs
            if outputs.get("half"):
                _abort_half_made(context, request.id, outputs, request.news)
        return provider_pb2.UpdateResponse(properties=_struct(outputs))

    def Read(self, request: Any, context: Any) -> Any:
        self._cloud.note("Read", request.urn, context)
        found = self._cloud.world.get(request.id)
        if found is None:
            return provider_pb2.ReadResponse(id="")
        inputs = {key: value for key, value in found.items() if key not in ("made", "key")}
        return provider_pb2.ReadResponse(id=request.id, properties=_struct(found), inputs=_struct(inputs))

    def Delete(self, request: Any, context: Any) -> Any:
        self._cloud.note("Delete", request.urn, context)
        self._cloud.world.pop(request.id, None)
        return Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        arguments = MessageToDict(request.args)
        response = provider_pb2.InvokeResponse()
        if arguments["number"] < 0:
            response.failures.add(property="number", reason="must not be negative")
        else:
            getattr(response, "return").update({"doubled": arguments["number"] * 2})
        return response


def _outputs(inputs: dict[str, Any], identifier: str) -> dict[str, Any]:
    outputs = {**inputs, "made": identifier}
    if inputs.get("hidden"):
        outputs["key"] = {SIGNATURE: SECRET, "value": f"key of {identifier}"}
    return outputs


def _diff(olds: dict[str, Any], news: dict[str, Any]) -> Any:
    kinds = provider_pb2.DiffResponse
    changed = sorted(key for key in {*olds, *news} if key != "__internal" and olds.get(key) != news.get(key))
    response = kinds(
        changes=kinds.DIFF_SOME if changed else kinds.DIFF_NONE,
        diffs=changed,
        replaces=[key for key in changed if key == "force"],
        deleteBeforeReplace=bool(news.get("dbr")),
    )
    if news.get("detailed"):
        response.hasDetailedDiff = True
        for key in changed:
            kind = "ADD" if key not in olds else "DELETE" if key not in news else "UPDATE"
            if key == "force":
                kind += "_REPLACE"
            response.detailedDiff[key].CopyFrom(provider_pb2.PropertyDiff(kind=_KINDS.Value(kind), inputDiff=True))
    return response


def _struct(data: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(data)
    return struct


def _abort_half_made(context: Any, identifier: str, outputs: dict[str, Any], inputs: Struct) -> None:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=identifier, properties=_struct(outputs), inputs=inputs, reasons=["never got ready"]
    )
    packed = Packed()
    packed.Pack(detail)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message="not ready", details=[packed])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, "not ready")


@contextmanager
def serve(cloud: Cloud) -> Iterator[dict[str, int]]:
    """Serve the packages `testing` and `plain`; their ports."""
    servers: list[Any] = []
    ports: dict[str, int] = {}
    for package in ("testing", "plain"):
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
        add_ResourceProviderServicer_to_server(Provider(cloud, plain=package == "plain"), server)
        ports[package] = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
    try:
        yield ports
    finally:
        for server in servers:
            server.stop(None).wait()
