"""The provider's process: the engine starts it, and talks to it on a socket that only this user can open."""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent import futures

import grpc
from pulumi.runtime.proto.provider_pb2_grpc import add_ResourceProviderServicer_to_server

from novacron_rehearsal.kubernetes.provider import KubernetesProvider
from novacron_rehearsal.protocol.channels import CHANNEL_OPTIONS
from novacron_rehearsal.providers.serving import EngineLog

_WORKERS = 64
"""Requests that are served at the same time: more than the engine has operations in flight."""


def main() -> None:
    """Serve until SIGINT or SIGTERM. Arguments: the path of the socket, and the engine's address."""
    socket, engine_address = sys.argv[1:3]
    provider = KubernetesProvider(EngineLog(engine_address))
    server = grpc.server(futures.ThreadPoolExecutor(_WORKERS), options=CHANNEL_OPTIONS)
    add_ResourceProviderServicer_to_server(provider, server)
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    # Plug-ins print their port; the engine takes the socket instead.
    sys.stdout.write("1\n")
    sys.stdout.flush()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: done.set())
    done.wait()
    provider.close()
    server.stop(1).wait()
    sys.stdout.flush()
    os._exit(0)  # an operation may still wait for the cluster
