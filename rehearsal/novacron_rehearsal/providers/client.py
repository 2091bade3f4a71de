"""A client of one configured provider: check, diff, create, read, update, delete and invoke over gRPC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

import grpc
import grpc.aio
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from novacron_rehearsal.errors import ProviderError, ProviderGoneError
from novacron_rehearsal.events import DiffKind, PropertyDiff
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.protocol.channels import CHANNEL_OPTIONS
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.state.secret_marks import marked_like
from novacron_rehearsal.urn import parse
from novacron_rehearsal.values import PropertyMap, without_secrets

if TYPE_CHECKING:
    from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderAsyncStub  # exists in the stub file alone


@dataclass(frozen=True, slots=True)
class CheckFailure:
    """An input that the provider rejects, and why."""

    property: str
    reason: str


def describe_failures(new: ResourceState, failures: Sequence[CheckFailure]) -> str:
    """Return the message for inputs that a provider rejects."""
    lines = [
        f"{new.type} resource {parse(new.urn).name!r} has a problem: "
        + (f"{failure.property}: " if failure.property else "")
        + failure.reason
        for failure in failures
    ]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class DiffResult:
    """The provider's view of a change. `changes` is `None` when it leaves the comparison to the engine."""

    changes: bool | None
    replaces: list[str] = field(default_factory=list[str])
    diffs: list[str] = field(default_factory=list[str])
    detailed: dict[str, PropertyDiff] = field(default_factory=dict[str, PropertyDiff])
    delete_before_replace: bool = False


@dataclass(frozen=True, slots=True)
class ProviderResponse:
    """A resource as an operation left it. It has `init_errors` when it exists but did not become ready."""

    id: str
    outputs: PropertyMap
    inputs: PropertyMap | None = None
    init_errors: list[str] = field(default_factory=list[str])
    refresh_before_update: bool = False


class Provider(Protocol):
    """Any provider, in this process or in one of its own. All methods raise `ProviderError`."""

    supports_preview: bool

    async def check_config(
        self, urn: str, olds: PropertyMap, news: PropertyMap
    ) -> tuple[PropertyMap, list[CheckFailure]]: ...
    async def diff_config(self, old: ResourceState, news: PropertyMap) -> DiffResult: ...
    async def configure(self, urn: str, inputs: PropertyMap) -> None: ...
    async def check(
        self, urn: str, olds: PropertyMap, news: PropertyMap, seed: bytes
    ) -> tuple[PropertyMap, list[CheckFailure]]: ...
    async def diff(self, old: ResourceState, news: PropertyMap, ignore_changes: list[str]) -> DiffResult: ...
    async def create(self, urn: str, inputs: PropertyMap, timeout_s: float, *, preview: bool) -> ProviderResponse: ...
    async def read(self, urn: str, id_: str, inputs: PropertyMap, state: PropertyMap) -> ProviderResponse: ...
    async def update(
        self, old: ResourceState, news: PropertyMap, timeout_s: float, ignore_changes: list[str], *, preview: bool
    ) -> ProviderResponse: ...
    async def delete(self, old: ResourceState, timeout_s: float) -> None: ...
    async def invoke(self, token: str, arguments: PropertyMap) -> tuple[PropertyMap | None, list[CheckFailure]]: ...
    async def cancel(self) -> None: ...
    async def close(self) -> None: ...


class RemoteProvider:
    """A provider at a gRPC address."""

    def __init__(self, package: str, address: str) -> None:
        self.package = package
        self.supports_preview = False
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stub = cast("ResourceProviderAsyncStub", ResourceProviderStub(self._channel))
        self._dialect = codec.Dialect(secrets=False, resources=False)

    async def attach(self, engine_address: str) -> None:
        """Send the engine's address to a provider that the engine did not start."""
        try:
            await self._stub.Attach(plugin_pb2.PluginAttach(address=engine_address))
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise self._error("Attach", error) from error

    async def version(self) -> str:
        """Return the version of the plug-in; empty when it has none."""
        try:
            return (await self._stub.GetPluginInfo(Empty())).version
        except grpc.aio.AioRpcError:
            return ""

    async def check_config(
        self, urn: str, olds: PropertyMap, news: PropertyMap
    ) -> tuple[PropertyMap, list[CheckFailure]]:
        """Check the provider's configuration. Returns it as given when the provider has no such check."""
        return await self._check("CheckConfig", urn, olds, news, b"", codec.ENGINE_DIALECT)

    async def diff_config(self, old: ResourceState, news: PropertyMap) -> DiffResult:
        """Compare the provider's configuration with a new one."""
        return await self._diff("DiffConfig", old, news, [], codec.ENGINE_DIALECT)

    async def configure(self, urn: str, inputs: PropertyMap) -> None:
        """Configure the provider, which makes it ready for use."""
        plain = {key: value for key, value in inputs.items() if key not in ("version", "__internal")}
        variables = {
            f"{self.package}:config:{key}": value
            for key, value in ((k, without_secrets(v)) for k, v in plain.items())
            if isinstance(value, str)
        }
        name = parse(urn)
        request = provider_pb2.ConfigureRequest(
            variables=variables,
            args=codec.encode(plain),
            acceptSecrets=True,
            acceptResources=True,
            sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
            urn=urn,
            name=name.name,
            type=name.type,
        )
        try:
            response = await self._stub.Configure(request)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise self._error("Configure", error) from error
            return
        self.supports_preview = response.supportsPreview
        self._dialect = codec.Dialect(
            secrets=response.acceptSecrets, resources=response.acceptResources, outputs=response.acceptOutputs
        )

    async def check(
        self, urn: str, olds: PropertyMap, news: PropertyMap, seed: bytes
    ) -> tuple[PropertyMap, list[CheckFailure]]:
        """Return the inputs with the provider's defaults, and the inputs that it rejects."""
        return await self._check("Check", urn, olds, news, seed, self._dialect)

    async def _check(
        self, method: str, urn: str, olds: PropertyMap, news: PropertyMap, seed: bytes, dialect: codec.Dialect
    ) -> tuple[PropertyMap, list[CheckFailure]]:
        name = parse(urn)
        request = provider_pb2.CheckRequest(
            urn=urn,
            olds=codec.encode(olds, dialect),
            news=codec.encode(news, dialect),
            randomSeed=seed,
            name=name.name,
            type=name.type,
        )
        try:
            response = await getattr(self._stub, method)(request)
        except grpc.aio.AioRpcError as error:
            if method == "CheckConfig" and error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return news, []
            raise self._error(method, error) from error
        failures = [CheckFailure(failure.property, failure.reason) for failure in response.failures]
        inputs = codec.decode(response.inputs) if response.HasField("inputs") else news
        return self._remark(inputs, news), failures

    async def diff(self, old: ResourceState, news: PropertyMap, ignore_changes: list[str]) -> DiffResult:
        """Compare the resource's inputs with new ones."""
        return await self._diff("Diff", old, news, ignore_changes, self._dialect)

    async def _diff(
        self, method: str, old: ResourceState, news: PropertyMap, ignore_changes: list[str], dialect: codec.Dialect
    ) -> DiffResult:
        name = parse(old.urn)
        request = provider_pb2.DiffRequest(
            id=old.id,
            urn=old.urn,
            olds=codec.encode(old.outputs, dialect),
            news=codec.encode(news, dialect),
            ignoreChanges=ignore_changes,
            old_inputs=codec.encode(old.inputs, dialect),
            name=name.name,
            type=name.type,
        )
        try:
            response = await getattr(self._stub, method)(request)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return DiffResult(changes=None)
            raise self._error(method, error) from error
        changes = {
            provider_pb2.DiffResponse.DIFF_NONE: False,
            provider_pb2.DiffResponse.DIFF_SOME: True,
        }.get(response.changes)
        return DiffResult(
            changes=changes,
            replaces=list(response.replaces),
            diffs=list(response.diffs),
            detailed={path: _property_diff(entry) for path, entry in response.detailedDiff.items()},
            delete_before_replace=response.deleteBeforeReplace,
        )

    async def create(self, urn: str, inputs: PropertyMap, timeout_s: float, *, preview: bool) -> ProviderResponse:
        """Create the resource. Call it in a preview only when `supports_preview` is set."""
        name = parse(urn)
        request = provider_pb2.CreateRequest(
            urn=urn,
            properties=codec.encode(inputs, self._dialect),
            timeout=timeout_s,
            preview=preview,
            name=name.name,
            type=name.type,
        )
        return await self._call("Create", request, inputs, "")

    async def read(self, urn: str, id_: str, inputs: PropertyMap, state: PropertyMap) -> ProviderResponse:
        """Read the resource. An empty id means that it does not exist any more."""
        name = parse(urn)
        request = provider_pb2.ReadRequest(
            id=id_,
            urn=urn,
            properties=codec.encode(state, self._dialect),
            inputs=codec.encode(inputs, self._dialect),
            name=name.name,
            type=name.type,
        )
        return await self._call("Read", request, inputs, id_)

    async def update(
        self, old: ResourceState, news: PropertyMap, timeout_s: float, ignore_changes: list[str], *, preview: bool
    ) -> ProviderResponse:
        """Change the resource in place."""
        name = parse(old.urn)
        request = provider_pb2.UpdateRequest(
            id=old.id,
            urn=old.urn,
            olds=codec.encode(old.outputs, self._dialect),
            news=codec.encode(news, self._dialect),
            timeout=timeout_s,
            ignoreChanges=ignore_changes,
            preview=preview,
            old_inputs=codec.encode(old.inputs, self._dialect),
            name=name.name,
            type=name.type,
        )
        return await self._call("Update", request, news, old.id)

    async def delete(self, old: ResourceState, timeout_s: float) -> None:
        """Delete the resource."""
        name = parse(old.urn)
        request = provider_pb2.DeleteRequest(
            id=old.id,
            urn=old.urn,
            properties=codec.encode(old.outputs, self._dialect),
            timeout=timeout_s,
            old_inputs=codec.encode(old.inputs, self._dialect),
            name=name.name,
            type=name.type,
        )
        try:
            await self._stub.Delete(request)
        except grpc.aio.AioRpcError as error:
            raise self._error("Delete", error) from error

    async def invoke(self, token: str, arguments: PropertyMap) -> tuple[PropertyMap, list[CheckFailure]]:
        """Call a function of the provider."""
        request = provider_pb2.InvokeRequest(tok=token, args=codec.encode(arguments, self._dialect))
        try:
            response = await self._stub.Invoke(request)
        except grpc.aio.AioRpcError as error:
            raise self._error(f"Invoke {token}", error) from error
        failures = [CheckFailure(failure.property, failure.reason) for failure in response.failures]
        return codec.decode(getattr(response, "return")), failures

    async def cancel(self) -> None:
        """Ask the provider to cancel its operations. Not every provider does."""
        try:
            await self._stub.Cancel(Empty(), timeout=2)
        except grpc.aio.AioRpcError:
            return

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close(None)

    async def _call(self, method: str, request: Message, inputs: PropertyMap, id_: str) -> ProviderResponse:
        try:
            response = await getattr(self._stub, method)(request)
        except grpc.aio.AioRpcError as error:
            partial = _initialization_failure(error)
            if partial is None:
                raise self._error(method, error) from error
            return ProviderResponse(
                id=partial.id or id_,
                outputs=self._remark(codec.decode(partial.properties), inputs),
                inputs=self._remark(codec.decode(partial.inputs), inputs) if partial.HasField("inputs") else None,
                init_errors=list(partial.reasons) or [error.details() or "initialization failed"],
            )
        new_id = id_ if method == "Update" else response.id
        read_inputs = codec.decode(response.inputs) if method == "Read" and response.HasField("inputs") else None
        return ProviderResponse(
            id=new_id,
            outputs=self._remark(codec.decode(response.properties), inputs),
            inputs=None if read_inputs is None else self._remark(read_inputs, inputs),
            refresh_before_update=getattr(response, "refresh_before_update", False),
        )

    def _remark(self, values: PropertyMap, reference: PropertyMap) -> PropertyMap:
        """Return what a provider returned; one that does not know secrets returns the marked inputs in plain."""
        return values if self._dialect.secrets else marked_like(values, reference)

    def _error(self, method: str, error: grpc.aio.AioRpcError) -> ProviderError:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            return ProviderGoneError(
                f"the {self.package} provider stopped during {method}: {error.details()}; see its output above. The "
                "operation is recorded as pending; run the same command again"
            )
        return ProviderError(_message(error.details()) or f"{self.package}: {method} failed with {error.code().name}")


def _message(details: str | None) -> str:
    """Return the message without the traceback, when a Python provider raises an error class of its own.

    A built-in error is a bug of the provider, and keeps its traceback.
    """
    details = details or ""
    last_frame = details.rfind("\n  File ")
    raised = re.search(r"^(?:\w+\.)+\w+: ", details[last_frame:], re.MULTILINE) if last_frame >= 0 else None
    return details[last_frame + raised.end() :].rstrip() if raised else details


def _property_diff(entry: provider_pb2.PropertyDiff) -> PropertyDiff:
    name = provider_pb2.PropertyDiff.Kind.Name(entry.kind)
    return PropertyDiff(DiffKind(name.lower().replace("_", "-")), entry.inputDiff)


def _initialization_failure(error: grpc.aio.AioRpcError) -> provider_pb2.ErrorResourceInitFailed | None:
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for type_url, payload in _details(value if isinstance(value, bytes) else value.encode("latin-1")):
            if type_url.endswith("pulumirpc.ErrorResourceInitFailed"):
                return provider_pb2.ErrorResourceInitFailed.FromString(payload)
    return None


def _details(raw: bytes) -> list[tuple[str, bytes]]:
    from google.rpc.status_pb2 import Status

    status = Status.FromString(raw)
    return [(detail.type_url, detail.value) for detail in status.details]
