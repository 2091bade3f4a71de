"""A real node, for tests with real containers: it needs root, Go and the programs that `make node` names."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.node.node import Node
from tools.cluster.binaries import ClusterError
from tools.cluster.cluster import Cluster


def free_node_port() -> int:
    """Return a port for a Service of type NodePort that no process of this machine uses."""
    for port in range(30100, 32767):
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Start a node, and stop it when the tests end."""
    if os.geteuid() != 0:
        pytest.skip("a real node needs root")
    cluster = Cluster("tests", tmp_path_factory.mktemp("clusters"))
    try:
        cluster.up(None, published=(free_node_port(),))
    except ClusterError as error:
        pytest.skip(str(error))
    try:
        yield Node(cluster)
    finally:
        cluster.down()


@pytest.fixture
def namespace(node: Node, request: pytest.FixtureRequest) -> Iterator[str]:
    """Create a namespace for one test."""
    name = request.node.name.replace("_", "-")[:50].strip("-").lower()
    node.kubectl("create", "namespace", name)
    node.kubectl("wait", "-n", name, "--for=create", "serviceaccount/default", "--timeout=30s")
    yield name
    node.kubectl("delete", "namespace", name, "--wait=false")
