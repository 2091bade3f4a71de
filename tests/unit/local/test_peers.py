"""The owner of the socket at the other end of a loopback connection, by the kernel's table."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from novacron_infra.local import peers
from novacron_infra.local.peers import find_connection_owners, is_own_connection

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
CLIENT, SERVER = 0x9C40, 0x1F90


def line(
    *,
    local: str = "0100007F:9C40",
    remote: str = "0100007F:1F90",
    state: str = "01",
    uid: int = 1000,
    inode: int = 4711,
) -> str:
    queues = "00000000:00000000 00:00000000 00000000"
    return f"   1: {local} {remote} {state} {queues} {uid:>5}        0 {inode} 1 0000000000000000 20 4 30 10 -1"


@pytest.mark.parametrize(
    ("socket_line", "owners"),
    [
        (line(), [1000]),
        (line(uid=65534), [65534]),
        (line(local="0000000000000000FFFF00000100007F:9C40", remote="0000000000000000FFFF00000100007F:1F90"), [1000]),
        (line(local="0100007F:1F90", remote="0100007F:9C40"), []),
        (line(local="0100007F:9C41"), []),
        (line(remote="0100007F:1F91"), []),
        (line(local="0200A8C0:9C40"), []),
    ],
    ids=["own", "another user", "IPv6 socket", "the server's end", "another port", "another server", "not loopback"],
)
def test_the_owner_is_that_of_the_socket_at_the_other_end(socket_line: str, owners: list[int]) -> None:
    assert list(find_connection_owners([HEADER, socket_line], CLIENT, SERVER)) == owners


@pytest.mark.parametrize("closed", [line(state="06", uid=0, inode=0), line(uid=0, inode=0), line(state="08", uid=0)])
def test_a_socket_that_its_process_closed_counts_as_no_one_s(closed: str) -> None:
    """The kernel shows such a socket as root's, even if another user opened it."""
    assert list(find_connection_owners([HEADER, closed], CLIENT, SERVER)) == []


def test_a_connection_of_this_user_is_recognised() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            other = client.getsockname()[1]
            if sys.platform == "linux":
                assert is_own_connection(f"ipv4:127.0.0.1:{other}", port)
                assert not is_own_connection(f"ipv4:127.0.0.1:{other}", port + 1)
            assert not is_own_connection("unix:", port)
        if sys.platform == "linux":
            assert not is_own_connection(f"ipv4:127.0.0.1:{other}", port)


def test_without_the_kernel_s_table_the_parent_s_connection_is_recognised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "getppid", os.getpid)
    monkeypatch.setattr(peers, "_TABLES", (tmp_path / "tcp",))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            other = client.getsockname()[1]
            assert is_own_connection(f"ipv4:127.0.0.1:{other}", port)
            assert not is_own_connection(f"ipv4:127.0.0.1:{other}", port + 1)
