"""Parts of the providers that this project serves: errors, messages to the engine, and partial failures."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar, cast

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import engine_pb2, provider_pb2
from pulumi.runtime.proto.engine_pb2_grpc import EngineStub

from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import Severity
from novacron_rehearsal.protocol.channels import CHANNEL_OPTIONS
from novacron_rehearsal.providers.client import CheckFailure, DiffResult

_Method = TypeVar("_Method", bound=Callable[..., object])
_LOG_TIMEOUT_S = 5


class Described(Protocol):
    """A provider that says in messages what it is."""

    @property
    def description(self) -> str: ...  # noqa: D102 - the class says it


class InitializationError(RehearsalError):
    """A resource exists but did not become ready: the engine keeps its state, and the run fails."""

    def __init__(self, id_: str, outputs: Struct, inputs: Struct | None, reasons: Sequence[str]) -> None:
        super().__init__("\n".join(reasons))
        self._detail = provider_pb2.ErrorResourceInitFailed(id=id_, properties=outputs, inputs=inputs, reasons=reasons)

    def encode(self) -> bytes:
        """Return the details of the call's status."""
        from google.rpc.status_pb2 import Status

        packed = Packed()
        packed.Pack(self._detail)
        return Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(self), details=[packed]).SerializeToString()


def reports_errors(method: _Method) -> _Method:
    """Make a `RehearsalError` the error of the call. Any other exception is a bug of the provider, and says so."""

    @functools.wraps(method)
    def respond(self: Described, request: object, context: grpc.ServicerContext) -> object:
        try:
            return method(self, request, context)
        except InitializationError as error:
            message = str(error)
            context.set_trailing_metadata((("grpc-status-details-bin", error.encode()),))
        except RehearsalError as error:
            message = str(error)
        except Exception:  # noqa: BLE001 - shown to the user, with the traceback
            message = f"this is a bug in {self.description}:\n{traceback.format_exc()}"
        return context.abort(grpc.StatusCode.UNKNOWN, message)

    return cast("_Method", respond)


class EngineLog:
    """Shows the user messages, where there is an engine to show them. Any thread may use it."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS) if address else None

    def write(self, severity: Severity, text: str, urn: str, *, ephemeral: bool = False) -> None:
        """Show a message. An ephemeral one is progress: the next one takes its place."""
        if self._channel is None:
            return
        number = engine_pb2.LogSeverity.Value(severity.value.upper())
        request = engine_pb2.LogRequest(severity=number, message=text, urn=urn, ephemeral=ephemeral)
        with suppress(grpc.RpcError):
            EngineStub(self._channel).Log(request, timeout=_LOG_TIMEOUT_S)

    def close(self) -> None:
        """Close the connection."""
        if self._channel is not None:
            self._channel.close()


def encode_failures(found: Iterable[CheckFailure]) -> list[provider_pb2.CheckFailure]:
    """Encode what is wrong with inputs."""
    return [provider_pb2.CheckFailure(property=item.property, reason=item.reason) for item in found]


def encode_diff(found: DiffResult) -> provider_pb2.DiffResponse:
    """Encode a comparison."""
    response = provider_pb2.DiffResponse
    return response(
        changes=response.DIFF_SOME if found.changes else response.DIFF_NONE,
        replaces=found.replaces,
        diffs=found.diffs,
        deleteBeforeReplace=found.delete_before_replace,
        hasDetailedDiff=True,
        detailedDiff={
            path: provider_pb2.PropertyDiff(
                kind=provider_pb2.PropertyDiff.Kind.Value(entry.kind.value.upper().replace("-", "_")),
                inputDiff=entry.input_diff,
            )
            for path, entry in found.detailed.items()
        },
    )
