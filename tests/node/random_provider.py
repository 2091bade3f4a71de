# ruff: noqa: N802, ARG002 - the protocol gives the methods' names and arguments
"""NovaCron's own provider of `random` as a plug-in, for the Pulumi CLI: Pulumi's is not published as a Go module."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager

import grpc
from google.protobuf.empty_pb2 import Empty
from novacron_rehearsal.protocol import codec
from novacron_rehearsal.providers.own_random import RandomProvider
from novacron_rehearsal.providers.serving import encode_diff
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.urn import parse
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer, add_ResourceProviderServicer_to_server


class RandomPlugin(ResourceProviderServicer):
    """Passes the protocol's calls on."""

    def __init__(self) -> None:
        self._provider = RandomProvider()

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version="4.0.0")

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> Empty:
        return Empty()

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        old = ResourceState(request.urn, parse(request.urn).type, custom=True, inputs=codec.decode(request.old_inputs))
        return encode_diff(asyncio.run(self._provider.diff(old, codec.decode(request.news), [])))

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        inputs = codec.decode(request.properties)
        made = asyncio.run(self._provider.create(request.urn, inputs, 0, preview=request.preview))
        return provider_pb2.CreateResponse(id=made.id, properties=codec.encode(made.outputs))

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        return Empty()


@contextmanager
def serve_random() -> Iterator[int]:
    """Serve it until the context ends. Yields its port."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    add_ResourceProviderServicer_to_server(RandomPlugin(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()
