"""Serves a program's dynamic providers on a socket in a private folder.

Started by path in the program's own interpreter, so it imports nothing of this package.

The SDK's own server, `python -m pulumi.dynamic`, listens on a port of 127.0.0.1 and unpickles what it receives, so any
local user could run code as the user who deploys. This runs the same server on a Unix socket instead.

Argument: the path of the socket. Prints the port 1 as its first line, as a plug-in prints its real one.
"""

from __future__ import annotations

import os
import runpy
import sys
from typing import Any

import grpc


def main(socket_path: str) -> None:
    """Run the SDK's server until this process ends."""
    create_server = grpc.server

    def create_private_server(*arguments: Any, **options: Any) -> grpc.Server:
        server = create_server(*arguments, **options)
        add_port = server.add_insecure_port

        def add_private_port(address: str) -> int:
            del address
            return add_port(f"unix:{socket_path}")

        server.add_insecure_port = add_private_port
        return server

    grpc.server = create_private_server
    sys.argv = sys.argv[:1]
    sys.path[0] = os.getcwd()  # noqa: PTH109 - as `python -m` does: providers import modules of the program
    runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1])
