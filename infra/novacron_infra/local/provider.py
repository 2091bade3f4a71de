# ruff: noqa: N802 - the protocol gives the methods' names
"""The provider of the local platform's resources: `pulumi-resource-novacron-local`, which pip installs.

It serves Pulumi's provider protocol on a port of 127.0.0.1, as Pulumi demands, to processes of its own user only
(`peers.py`). Requests are plain values, checked by `handlers.py`: unlike Pulumi's dynamic providers, it unpickles
nothing and runs no code of its callers.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent import futures
from typing import TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer, add_ResourceProviderServicer_to_server

from novacron_infra.errors import NovaCronError
from novacron_infra.local.handlers import HANDLERS, Handler, Properties
from novacron_infra.local.peers import is_own_connection
from novacron_infra.local.supervisor import keep_secrets_private

VERSION = "0.1.0"
MAX_MESSAGE_BYTES = 400 * 2**20
"""As in Pulumi's own SDKs."""
WORKERS = 128
"""Requests that are served at the same time: more than a stack has processes."""

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class LocalProvider(ResourceProviderServicer):
    """Serves the package `novacron-local`."""

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Return the version."""
        del request, context
        return plugin_pb2.PluginInfo(version=VERSION)

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> Empty:
        """Accept any engine: this provider never calls back."""
        del request, context
        return Empty()

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Accept any configuration: the provider has none."""
        del context
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Report no change: resources that had another provider before are kept."""
        del request, context
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Accept plain values only: the engine unwraps secrets, and marks outputs as secret where the inputs are."""
        del request, context
        return provider_pb2.ConfigureResponse(acceptSecrets=False)

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """Do nothing: what was started stays, and the next run adopts it."""
        del request, context
        return Empty()

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        """Check the inputs of a resource."""
        failures = _run(context, lambda: _handler(request.urn).check(_plain(request.news)))
        return provider_pb2.CheckResponse(
            inputs=request.news,
            failures=[provider_pb2.CheckFailure(property=item.property, reason=item.reason) for item in failures],
        )

    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Compare a resource with new inputs."""
        olds = request.old_inputs if request.old_inputs.fields else request.olds
        found = _run(context, lambda: _handler(request.urn).diff(_plain(olds), _plain(request.news)))
        response = provider_pb2.DiffResponse
        return response(
            changes=response.DIFF_SOME if found.changed else response.DIFF_NONE,
            diffs=found.changed,
            replaces=found.replaces,
            deleteBeforeReplace=True,
        )

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        """Create a resource."""
        id_, outputs = _run(context, lambda: _handler(request.urn).create(_plain(request.properties)))
        return provider_pb2.CreateResponse(id=id_, properties=_struct(outputs))

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        """Read a resource; the response has no id when it is gone. Nothing can be imported."""
        state = _plain(request.properties)
        found = _run(context, lambda: _handler(request.urn).read(request.id, state)) if state else None
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=request.id, properties=_struct(found), inputs=request.inputs)

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        """Change a resource in place."""
        outputs = _run(context, lambda: _handler(request.urn).update(_plain(request.news)))
        return provider_pb2.UpdateResponse(properties=_struct(outputs))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        """Remove a resource."""
        _run(context, lambda: _handler(request.urn).delete(_plain(request.properties)))
        return Empty()


class OwnerOnly(grpc.ServerInterceptor):
    """Refuses requests that other users of this machine send."""

    def __init__(self, is_owner: Callable[[str], bool]) -> None:
        """Ask `is_owner` for each request whether the peer's address belongs to a process of this user."""
        self._is_owner = is_owner

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[_Request, _Response] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[_Request, _Response] | None:
        """Put the check in front of a method. The protocol's streams are not served."""
        handler = continuation(handler_call_details)
        inner = None if handler is None else handler.unary_unary
        if handler is None or inner is None:
            return None

        def answer(request: _Request, context: grpc.ServicerContext) -> _Response:
            if not self._is_owner(context.peer()):
                context.abort(
                    grpc.StatusCode.PERMISSION_DENIED, "this provider serves the user who started it, and no one else"
                )
            return inner(request, context)

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


def serve() -> tuple[grpc.Server, int]:
    """Start the provider's server. Return it and its port."""
    port = 0
    server = grpc.server(
        futures.ThreadPoolExecutor(WORKERS),
        interceptors=[OwnerOnly(lambda peer: is_own_connection(peer, port))],
        options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.so_reuseport", 0)],
    )
    add_ResourceProviderServicer_to_server(LocalProvider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main() -> None:
    """Be a plugin process until SIGINT or SIGTERM. The port is the first line of output."""
    keep_secrets_private()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: done.set())
    server, port = serve()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    done.wait()
    server.stop(None).wait()
    # A thread may still wait for a process: the next run adopts that process.
    os._exit(0)


_Result = TypeVar("_Result")


def _run(context: grpc.ServicerContext, work: Callable[[], _Result]) -> _Result:
    """Run a handler. A known error is a message, any other one is a bug here and shows its traceback."""
    try:
        return work()
    except NovaCronError as error:
        message = str(error)
    except Exception:  # noqa: BLE001 - shown to the user, with where it happened
        message = f"a bug in novacron-local:\n{traceback.format_exc()}"
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError  # `abort` raises


def _handler(urn: str) -> Handler:
    type_ = urn.split("::")[2].rpartition("$")[2]
    if type_ not in HANDLERS:
        raise NovaCronError(f"novacron-local has no resource type {type_!r}; it has {', '.join(HANDLERS)}")
    return HANDLERS[type_]


def _plain(values: Struct) -> Properties:
    return MessageToDict(values)


def _struct(values: Properties) -> Struct:
    return ParseDict(dict(values), Struct())


if __name__ == "__main__":
    main()
