# ruff: noqa: N802 - the protocol gives the methods' names
"""A provider for the engine's tests: package `sim`, served from the test's own process. Inputs control what it does.

Inputs of any `sim:` resource: `force` (a change replaces), `dbr` (true: delete before replace), `fail` (an operation
that fails), `half` (created but not ready). Everything else is changed in place.
"""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Generator, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from novacron_rehearsal import Options, Result, Workspace
from novacron_rehearsal.state.resource import ResourceState
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer, add_ResourceProviderServicer_to_server

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class _WithUrn(Protocol):
    urn: str


class Simulated(ResourceProviderServicer):
    """Keeps the resources that exist in `world`, and the calls that it got in `calls`."""

    def __init__(self) -> None:
        self.world: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.timeouts: dict[str, float] = {}
        self.creating = threading.Event()
        """Set when a resource with `hold` is being created."""
        self.release = threading.Event()
        self._count = 0
        self._lock = threading.Lock()

    def names(self, method: str) -> list[str]:
        """The names of the resources for which a method was called, in order."""
        return [name for called, name in self.calls if called == method]

    def _note(self, method: str, request: _WithUrn) -> None:
        with self._lock:
            self.calls.append((method, request.urn.rsplit("::", 1)[-1]))

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> Empty:
        del request, context
        return Empty()

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        del request, context
        return plugin_pb2.PluginInfo(version="1.0.0")

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        del context
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        del request, context
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_SOME)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        self._note("Configure", request)
        del context
        return provider_pb2.ConfigureResponse(acceptSecrets=True, acceptResources=True, supportsPreview=True)

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        del context
        news = MessageToDict(request.news)
        if news.get("bad"):
            failure = provider_pb2.CheckFailure(property="bad", reason="must not be set")
            return provider_pb2.CheckResponse(inputs=request.news, failures=[failure])
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        del context
        olds, news = MessageToDict(request.old_inputs), MessageToDict(request.news)
        changed = sorted(key for key in {*olds, *news} if olds.get(key) != news.get(key))
        kinds = provider_pb2.DiffResponse
        return kinds(
            changes=kinds.DIFF_SOME if changed else kinds.DIFF_NONE,
            diffs=changed,
            replaces=[key for key in changed if key == "force"],
            deleteBeforeReplace=bool(news.get("dbr")),
        )

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        properties = MessageToDict(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=_struct({**properties, "made": UNKNOWN}))
        self._note("Create", request)
        self.timeouts[request.urn.rsplit("::", 1)[-1]] = request.timeout
        if properties.get("hold"):
            self.creating.set()
            self.release.wait(20)
        if properties.get("fail") == "create":
            context.abort(grpc.StatusCode.UNKNOWN, "the simulated cloud refused")
        with self._lock:
            self._count += 1
            identifier = f"id-{self._count}"
        outputs = {**properties, "made": identifier}
        self.world[identifier] = outputs
        if properties.get("half"):
            detail = provider_pb2.ErrorResourceInitFailed(
                id=identifier, properties=_struct(outputs), inputs=request.properties, reasons=["never got ready"]
            )
            _abort_with(context, detail)
        return provider_pb2.CreateResponse(id=identifier, properties=_struct(outputs))

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        del context
        properties = MessageToDict(request.news)
        outputs = {**properties, "made": request.id}
        if not request.preview:
            self._note("Update", request)
            self.world[request.id] = outputs
        return provider_pb2.UpdateResponse(properties=_struct(outputs))

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        self._note("Read", request)
        found = self.world.get(request.id)
        if found is None:
            return provider_pb2.ReadResponse(id="")
        if found.get("fail") == "read":
            context.abort(grpc.StatusCode.UNKNOWN, "it cannot be read")
        inputs = {key: value for key, value in found.items() if key != "made"}
        return provider_pb2.ReadResponse(id=request.id, properties=_struct(found), inputs=_struct(inputs))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        self._note("Delete", request)
        if MessageToDict(request.old_inputs).get("fail") == "delete":
            context.abort(grpc.StatusCode.UNKNOWN, "it is still in use")
        self.world.pop(request.id, None)
        return Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        del context
        arguments = MessageToDict(request.args)
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").update({"doubled": arguments["number"] * 2})
        return response

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        del request, context
        self.release.set()
        return Empty()


def _struct(data: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(data)
    return struct


def _abort_with(context: grpc.ServicerContext, detail: Message) -> None:
    from google.protobuf.any_pb2 import Any as Packed
    from google.rpc import status_pb2

    packed = Packed()
    packed.Pack(detail)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message="not ready", details=[packed])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, "not ready")


@contextmanager
def serve(provider: Simulated) -> Generator[int]:
    """Serve the provider. Yields its port."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


PRELUDE = """
import pulumi
from pulumi import Output, ResourceOptions as O

class Thing(pulumi.CustomResource):
    made: Output[str]

    def __init__(self, name, opts=None, token="sim:index:Thing", **props):
        super().__init__(token, name, {"made": None, **props}, opts)

class Group(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("sim:index:Group", name, {}, opts)
        self.register_outputs({})

"""


class Lab:
    """A project in a temporary folder, with the simulated provider attached."""

    def __init__(self, folder: Path, provider: Simulated, port: int) -> None:
        self.folder = folder
        self.provider = provider
        self.port = port
        (folder / "Pulumi.yaml").write_text("name: lab\nruntime: python\n")
        self.reopen()

    def reopen(self, env: dict[str, str] | None = None) -> None:
        """Read the project again; its providers get `env` too."""
        self.workspace = Workspace(self.folder, "dev", passphrase="correct horse", env=env)

    def write(self, program: str) -> None:
        """Set the program; classes `Thing` and `Group` and the name `O` for `ResourceOptions` are there."""
        (self.folder / "__main__.py").write_text(PRELUDE + textwrap.dedent(program))

    def options(self, **values: Any) -> Options:
        """Options for runs in this process."""
        return replace(Options(in_process=True, attached_providers={"sim": self.port}), **values)

    def up(self, program: str | None = None, **values: Any) -> Result:
        """Run `up`, with a new program when one is given."""
        if program is not None:
            self.write(program)
        return self.workspace.up(self.options(**values))

    def preview(self, program: str | None = None, **values: Any) -> Result:
        """Run `preview`, with a new program when one is given."""
        if program is not None:
            self.write(program)
        return self.workspace.preview(self.options(**values))

    def steps(self, result: Result) -> list[tuple[str, str]]:
        """(operation, name) of every step that is not about the stack, a provider or something unchanged."""
        return [
            (step.op.value, step.urn.rsplit("::", 1)[-1])
            for step in result.steps
            if "pulumi:pulumi:Stack::" not in step.urn
            and "pulumi:providers:" not in step.urn
            and step.op.value != "same"
        ]

    def state(self) -> dict[str, ResourceState]:
        """The resources in the state by name, in the state's order; provider and stack left out."""
        return {
            state.urn.rsplit("::", 1)[-1]: state
            for state in self.workspace.snapshot().resources
            if state.type.startswith("sim:")
        }


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A fresh project with a fresh simulated world."""
    provider = Simulated()
    with serve(provider) as port:
        yield Lab(tmp_path, provider, port)
