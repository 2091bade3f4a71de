"""A real control plane with simulated nodes: `python -m tools.cluster build simulated` builds its programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.kubernetes.lab import ClusterLab
from tools.cluster.binaries import CONTROL_PLANE, SIMULATED_NODES, UnsupportedMachineError, build
from tools.cluster.cluster import Cluster

CAPACITY = {"cpu": "16", "memory": "64Gi", "pods": "110"}


def simulated_node(name: str) -> dict[str, object]:
    """A node that kwok reports as ready."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
        },
        "status": {"allocatable": CAPACITY, "capacity": CAPACITY},
    }


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a control plane with two simulated nodes, and stop it when the tests end."""
    try:
        build(CONTROL_PLANE + SIMULATED_NODES)
    except UnsupportedMachineError as error:
        pytest.skip(str(error))
    cluster = Cluster("simulated", tmp_path_factory.mktemp("clusters"))
    cluster.up([simulated_node("node-0"), simulated_node("node-1")], end_with_this_process=True)
    try:
        yield cluster
    finally:
        cluster.down()


@pytest.fixture
def lab(plane: Cluster, tmp_path: Path) -> ClusterLab:
    """A fresh project whose program deploys to the control plane."""
    return ClusterLab(tmp_path, plane.kubeconfig.read_text())
