"""Find the user at the other end of a loopback connection: any local user can connect to a port."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"
_LOOPBACK = "0100007F"
"""127.0.0.1 as the kernel prints it; an IPv6 socket has zeros and FFFF in front of it."""


def is_own_connection(peer: str, port: int) -> bool:
    """Return whether a process of this user is at the other end of a connection to a port of this process.

    Args:
        peer: the address of the other end, as gRPC writes it: `ipv4:127.0.0.1:40000`.
        port: the port of this process.
    """
    found = re.search(r":(\d+)$", peer)
    if found is None:
        return False
    other = int(found[1])
    tables = [table for table in _TABLES if table.exists()]
    if not tables:  # not Linux, or a container without the table
        return _is_parents_connection(other, port)
    lines = (line for table in tables for line in table.read_text().splitlines())
    return os.geteuid() in find_connection_owners(lines, other, port)


def find_connection_owners(lines: Iterable[str], local_port: int, remote_port: int) -> Iterator[int]:
    """Yield the user ids of the sockets that are connected from one loopback port to another.

    A socket that its process has closed is no longer counted: the kernel shows it as root's, without an inode.

    Args:
        lines: the kernel's table of TCP sockets, as in `/proc/net/tcp`.
        local_port: the port at the end whose owner is wanted.
        remote_port: the port at the other end.
    """
    ends = (f"{_LOOPBACK}:{local_port:04X}", f"{_LOOPBACK}:{remote_port:04X}")
    for line in lines:
        # sl, local_address, rem_address, st, queues, timer, retransmissions, uid, timeout, inode, …
        columns = line.split()
        if len(columns) < 10 or columns[3] != _ESTABLISHED or columns[9] == "0":
            continue
        if columns[1].endswith(ends[0]) and columns[2].endswith(ends[1]):
            yield int(columns[7])


def _is_parents_connection(local_port: int, remote_port: int) -> bool:
    """Return whether the process that started this one has the connection."""
    try:
        connections = psutil.Process(os.getppid()).net_connections("tcp")
    except psutil.Error:
        return False
    return any(
        connection.laddr
        and connection.raddr
        and (connection.laddr.port, connection.raddr.port) == (local_port, remote_port)
        and connection.status == psutil.CONN_ESTABLISHED
        for connection in connections
    )
