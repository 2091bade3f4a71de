"""The plugin as a process, and an engine's monitor for it to register resources with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2_grpc, resource_pb2, resource_pb2_grpc

from tests.unit.aws.graph import monitor
from tests.unit.graph import Graph

INFRA = Path(__file__).parents[3] / "infra"


class _Engine(engine_pb2_grpc.EngineServicer):
    def Log(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()


@contextmanager
def serving(add: Callable[[grpc.Server], None]) -> Iterator[str]:
    """The address of a server that has what `add` gives it."""
    server = grpc.server(ThreadPoolExecutor(1))
    add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)


@contextmanager
def started() -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """The plugin, started as Pulumi starts it: its port is the first line that it says."""
    with serving(lambda server: engine_pb2_grpc.add_EngineServicer_to_server(_Engine(), server)) as engine:
        process = subprocess.Popen([sys.executable, str(INFRA), engine], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.max_receive_message_length", -1)]) as channel:
                yield provider_pb2_grpc.ResourceProviderStub(channel)
        finally:
            process.terminate()
            process.communicate(timeout=20)


class _Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    def __init__(self, graph: Graph) -> None:
        self.mocks = monitor(graph)

    def SupportsFeature(self, request: Any, _context: Any) -> Any:  # noqa: N802
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in ("secrets", "resourceReferences"))

    def RegisterResource(self, request: Any, _context: Any) -> Any:  # noqa: N802
        return self.mocks.RegisterResource(request)

    def RegisterResourceOutputs(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def Invoke(self, request: Any, _context: Any) -> Any:  # noqa: N802
        return self.mocks.Invoke(request)


@contextmanager
def monitored(graph: Graph) -> Iterator[str]:
    """The address of a monitor that puts what is registered into the graph."""
    monitor = _Monitor(graph)
    with serving(lambda server: resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)) as address:
        yield address
