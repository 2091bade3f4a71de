# ruff: noqa: N802 - the protocol gives the methods' names
"""Serves Pulumi's language protocol to the CLI that started this process, until that ends.

Pulumi's own language host for Python is not published as a Go module. This one runs programs, policy packs and
components, and leaves out what only changes projects: it installs nothing and generates neither programs nor SDKs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import IO

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import language_pb2, plugin_pb2
from pulumi.runtime.proto.language_pb2_grpc import LanguageRuntimeServicer, add_LanguageRuntimeServicer_to_server

RUN_PROGRAM = Path(__file__).with_name("run_program.py")
REPORTED = 32
"""Exit status of `run_program.py` after an error that the user has seen."""
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class LanguageHost(LanguageRuntimeServicer):
    """Runs Python for one CLI."""

    def __init__(self, engine_address: str) -> None:
        self._engine_address = engine_address

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Return the version of the SDK."""
        del request, context
        return plugin_pb2.PluginInfo(version=version("pulumi"))

    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """Name no provider: the CLI would download it before the program runs."""
        del request, context
        return language_pb2.GetRequiredPackagesResponse()

    def About(self, request: language_pb2.AboutRequest, context: grpc.ServicerContext) -> language_pb2.AboutResponse:
        """Describe the interpreter."""
        del context
        return language_pb2.AboutResponse(executable=find_python(request.info), version=sys.version.split()[0])

    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        """Run a program and wait until it ends or the CLI cancels."""
        call = {
            "program": str(Path(request.info.program_directory, request.info.entry_point)),
            "config": dict(request.config),
            "config_secret_keys": list(request.configSecretKeys),
            "settings": {
                "project": request.project,
                "stack": request.stack,
                "organization": request.organization,
                "parallel": request.parallel,
                "dry_run": request.dryRun,
                "monitor": request.monitor_address,
                "engine": self._engine_address,
                "root_directory": request.info.root_directory,
            },
        }
        process = subprocess.Popen(
            [find_python(request.info), "-u", str(RUN_PROGRAM)], cwd=request.pwd, stdin=subprocess.PIPE, text=True
        )
        context.add_callback(process.kill)
        # By standard input, because the configuration has secrets and every local user can read arguments.
        process.communicate(json.dumps(call))
        if process.returncode in (0, REPORTED):
            return language_pb2.RunResponse(bail=process.returncode == REPORTED)
        return language_pb2.RunResponse(error=f"the program exited with status {process.returncode}")

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Run a policy pack or a component's plugin, and pass on its output until it ends or the CLI cancels."""
        folder = request.info.program_directory
        program = (
            ["-m", "pulumi.policy", *request.args, folder] if request.kind == "analyzer" else [folder, *request.args]
        )
        process = subprocess.Popen(
            [find_python(request.info), "-u", *program],
            cwd=request.pwd,
            env={name: value for name, _, value in (entry.partition("=") for entry in request.env)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        context.add_callback(process.kill)
        yield from _read_output(process)
        yield language_pb2.RunPluginResponse(exitcode=process.wait())


def _read_output(process: subprocess.Popen[bytes]) -> Iterator[language_pb2.RunPluginResponse]:
    """Give the lines of a process in the order in which they come."""
    lines: SimpleQueue[language_pb2.RunPluginResponse | None] = SimpleQueue()

    def read(stream: IO[bytes] | None, *, is_stderr: bool) -> None:
        for line in stream or ():
            response = language_pb2.RunPluginResponse
            lines.put(response(stderr=line) if is_stderr else response(stdout=line))
        lines.put(None)

    Thread(target=read, args=(process.stdout,), kwargs={"is_stderr": False}, daemon=True).start()
    Thread(target=read, args=(process.stderr,), kwargs={"is_stderr": True}, daemon=True).start()
    open_streams = 2
    while open_streams:
        line = lines.get()
        if line is None:
            open_streams -= 1
        else:
            yield line


def find_python(info: language_pb2.ProgramInfo) -> str:
    """Return the interpreter of a program: that of its `virtualenv`, or the one that runs this."""
    options: Mapping[str, object] = dict(info.options)
    folder = options.get("virtualenv")
    if not isinstance(folder, str):
        return sys.executable
    return str(Path(info.root_directory, folder, "bin", "python"))


def main(engine_address: str) -> None:
    """Serve until the CLI closes standard input. Prints the port as its first line."""
    server = grpc.server(ThreadPoolExecutor(), options=_UNLIMITED)
    add_LanguageRuntimeServicer_to_server(LanguageHost(engine_address), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    with suppress(KeyboardInterrupt):  # the CLI ends its plug-ins so, or by closing their input
        sys.stdin.read()
    server.stop(0)


if __name__ == "__main__":
    main(sys.argv[-1])
