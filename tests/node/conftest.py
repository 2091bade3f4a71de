"""A real node, for tests with real containers: it needs root, Go and the programs that `make node` names."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.node.trial import Trial, load_images
from tools.cluster.binaries import CONTROL_PLANE, NODE, UnsupportedMachineError, build
from tools.cluster.cluster import Cluster, check_node_requirements
from tools.cluster.trial_images import build_images


def free_node_port() -> int:
    """Return a port for a Service of type NodePort that no process of this machine uses."""
    for port in range(30100, 32767):
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a node, and stop it when the tests end."""
    try:
        check_node_requirements()
        build(CONTROL_PLANE + NODE)
    except UnsupportedMachineError as error:
        pytest.skip(str(error))
    cluster = Cluster("tests", tmp_path_factory.mktemp("clusters"))
    cluster.up(None, published=(free_node_port(),), end_with_this_process=True)
    try:
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(scope="session")
def trial(node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Load the images, deploy the stack, and remove it afterwards."""
    try:
        build_images()
    except UnsupportedMachineError as error:
        pytest.skip(str(error))
    load_images(node)
    deployed = Trial.copy(tmp_path_factory.mktemp("project"), node)
    deployed.novacron("up")
    deployed.key = deployed.novacron("key").strip()
    yield deployed
    deployed.novacron("down")
    assert "novacron-llm" not in node.kubectl("get", "namespaces")


@pytest.fixture
def namespace(node: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """Create a namespace for one test."""
    name = request.node.name.replace("_", "-")[:50].strip("-").lower()
    node.kubectl("create", "namespace", name)
    node.kubectl("wait", "-n", name, "--for=create", "serviceaccount/default", "--timeout=30s")
    yield name
    node.kubectl("delete", "namespace", name, "--wait=false")
