"""Servers of simulated clouds: several in one process, for engines to attach to, or one as a plug-in process."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator, Sequence
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
from pulumi.runtime.proto.provider_pb2_grpc import add_ResourceProviderServicer_to_server

from novacron_rehearsal.clouds import sdk
from novacron_rehearsal.clouds.provider import CloudProvider
from novacron_rehearsal.clouds.state import CloudState
from novacron_rehearsal.protocol.channels import CHANNEL_OPTIONS
from novacron_rehearsal.state.private_files import make_private_folder

STATE_VARIABLE = "NOVACRON_CLOUDS_STATE"
FAULTS_VARIABLE = "NOVACRON_FAULTS"
_WORKERS = 64


@contextmanager
def serve_clouds(
    packages: Sequence[str] | None = None, *, state: Path | None = None, faults: Path | str = ""
) -> Generator[dict[str, int]]:
    """Serve simulated clouds until the context ends. Yields the port of each package.

    Pass the ports to `Options.attached_providers`, or to the Pulumi CLI in `PULUMI_DEBUG_PROVIDERS`.

    Args:
        packages: which ones; every package whose SDK is installed when left out.
        state: folder for the resources that exist; they are kept in memory when left out.
        faults: YAML file of faults, or the YAML itself (`faults.py`).

    Raises:
        RehearsalError: when the SDK of a package is not installed.
    """
    servers: list[grpc.Server] = []
    try:
        ports: dict[str, int] = {}
        for package in packages or sdk.list_distributions():
            existing = CloudState(None if state is None else state / package)
            server, ports[package] = _start(CloudProvider(package, existing, str(faults)))
            servers.append(server)
        yield ports
    finally:
        for stopped in [server.stop(None) for server in servers]:
            stopped.wait()


def run_plugin(package: str, engine_address: str) -> None:
    """Run as the plug-in process of one package until SIGINT or SIGTERM. Prints the port as its first line."""
    state = os.environ.get(STATE_VARIABLE)
    existing = CloudState(Path(state) / package if state else None)
    provider = CloudProvider(package, existing, os.environ.get(FAULTS_VARIABLE, ""), engine_address)
    server, port = _start(provider)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    wait_for_signal()
    server.stop(None).wait()


def wait_for_signal() -> None:
    """Wait for SIGINT or SIGTERM."""
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: done.set())
    done.wait()


def write_plugins(folder: Path, packages: Sequence[str] | None = None) -> dict[str, Path]:
    """Write a plugin executable for each package; the folders are `plugins.providers` paths of Pulumi.yaml.

    Args:
        folder: where to write them. They are never on PATH by themselves: a simulated provider must not take the place
            of a real one unasked.
        packages: which ones; every package whose SDK is installed when left out.

    Returns:
        The folder of each package's executable, which runs with this process's interpreter.
    """
    folders: dict[str, Path] = {}
    for package in packages or sdk.list_distributions():
        folders[package] = folder / package
        make_private_folder(folders[package], folder)
        executable = folders[package] / f"pulumi-resource-{package}"
        executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m novacron_rehearsal.clouds {package} "$@"\n')
        executable.chmod(0o700)
    return folders


def _start(provider: CloudProvider) -> tuple[grpc.Server, int]:
    server = grpc.server(futures.ThreadPoolExecutor(_WORKERS), options=CHANNEL_OPTIONS)
    add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port
