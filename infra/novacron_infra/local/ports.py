"""The ports of local processes: which are in use, and by what."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_SERVING = "novacron_serving."
_CONFIG = "--config"


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that listens on a port."""

    description: str
    """` by …`; empty when the system does not say."""
    remedy: str
    """A sentence on how to free the port."""


def can_listen(port: int) -> bool:
    """Return whether a process can listen on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def find_listening_ports(process: psutil.Process) -> list[int]:
    """Return the ports on which a process listens."""
    try:
        connections = process.net_connections("tcp")
    except psutil.Error:
        return []
    return [item.laddr.port for item in connections if item.laddr and item.status == psutil.CONN_LISTEN]


def describe_holder(port: int) -> Holder:
    """Describe the process that listens on a port."""
    holder = _find_holder(port)
    try:
        name, command = ("", []) if holder is None else (holder.name(), holder.cmdline())
    except psutil.Error:
        holder, name, command = None, "", []
    if holder is None:
        return Holder("", "Stop the process that listens there, or set another port")
    folder = _run_folder(command)
    if folder is None:
        return Holder(f" by pid {holder.pid} ({name})", "Stop that process, or set another port")
    project, stack = folder.parents[3], folder.parent.name
    return Holder(
        f" by pid {holder.pid}, {folder.name} of the NovaCron stack {stack!r} in {project}",
        f"Run `novacron down -s {stack}` in {project}, or set another port",
    )


def _find_holder(port: int) -> psutil.Process | None:
    try:
        connections = psutil.net_connections("tcp")
        pids = [
            item.pid
            for item in connections
            if item.status == psutil.CONN_LISTEN and item.laddr and item.laddr.port == port and item.pid is not None
        ]
        return psutil.Process(pids[0]) if pids else None
    except psutil.Error:
        return None


def _run_folder(command: Sequence[str]) -> Path | None:
    """Return the folder of a local stack's process, by its command line; None for any other process."""
    if not any(argument.startswith(_SERVING) for argument in command) or _CONFIG not in command[:-1]:
        return None
    folder = Path(command[command.index(_CONFIG) + 1]).parent
    return folder if folder.parts[-4:-2] == (".novacron", "run") else None
