"""A real control plane with simulated nodes: `python -m tools.cluster build` builds its programs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.kubernetes.lab import ClusterLab
from tools.cluster.binaries import CONTROL_PLANE, SIMULATED_NODES, ClusterError
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


class ControlPlane:
    """A running cluster and its API."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @property
    def kubeconfig(self) -> str:
        """The administrator's kubeconfig."""
        return self.cluster.kubeconfig.read_text()

    def kubectl(self, *arguments: str, given: object = None, check: bool = True) -> str:
        """Run kubectl as the administrator, with an object as input. Returns what it prints."""
        done = subprocess.run(
            [str(self.cluster.program("kubectl")), "--kubeconfig", str(self.cluster.kubeconfig), *arguments],
            input=None if given is None else json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Return an object of the API."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Start a control plane with two simulated nodes, and stop it when the tests end."""
    missing = [program.name for program in CONTROL_PLANE + SIMULATED_NODES if not program.path.exists()]
    if missing:
        pytest.skip(f"not built: {', '.join(missing)}; run `python -m tools.cluster build`")
    cluster = Cluster("simulated", tmp_path_factory.mktemp("clusters"))
    try:
        cluster.up([simulated_node("node-0"), simulated_node("node-1")])
    except ClusterError as error:
        pytest.skip(str(error))
    try:
        yield ControlPlane(cluster)
    finally:
        cluster.down()


@pytest.fixture
def lab(plane: ControlPlane, tmp_path: Path) -> ClusterLab:
    """A fresh project whose program deploys to the control plane."""
    return ClusterLab(tmp_path, plane.kubeconfig)
