"""Production's workloads on simulated nodes: all regions as planned, and a region with 256 workers.

The API server, the scheduler and the controllers are real. Nodes and containers are not, and a stand-in makes the pods
of LeaderWorkerSets. The controllers of other custom resources are not there: only their definitions are.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cluster import serving_stack
from tests.cluster.production import plan_ceiling, plan_production, region_cluster
from tests.polling import wait_until
from tests.rehearsal.kubernetes.lab import ClusterLab
from tools.cluster.cluster import Cluster
from tools.cluster.planned_nodes import PlannedNode, list_nodes

PROGRAM = """
from tests.cluster import production
production.declare_regions(production.{plan}, {kubeconfigs!r})
"""
LIMIT_S = 120.0
"""Seconds until all objects of a stack are ready, on two idle cores."""
CORES = 2
_REQUEST = re.compile(
    r'apiserver_request_total\{code="([45]..)".*,resource="(\w+)",scope="\w+",subresource="",verb="(\w+)".*\} (\d+)'
)
_NOT_COMPARED = ("events", "leases", "nodes", "endpoints")
"""Kinds of which the cluster itself makes and removes objects at any time."""


@pytest.fixture
def clusters(plane: Cluster, tmp_path: Path) -> Iterator[dict[str, Cluster]]:
    """Start a control plane for each region of production, with the nodes of its plan."""
    del plane  # its programs are built
    plan = plan_production()
    with ExitStack() as stack:
        started = {region.name: Cluster(region.name, tmp_path / "clusters") for region in plan.regions}
        for region, cluster in started.items():
            cluster.up([], end_with_this_process=True)
            stack.callback(cluster.down)
            stack.enter_context(region_cluster(cluster, list_nodes(plan, region)))
        yield started


def test_production_runs_in_all_its_regions(clusters: dict[str, Cluster], lab: ClusterLab) -> None:
    plan = plan_production()
    before = {region: list_objects(cluster) for region, cluster in clusters.items()}
    deploy(lab, "plan_production()", clusters)
    for region, cluster in zip(plan.regions, clusters.values(), strict=True):
        assert len(running(cluster, "novacron-workers", "llm-workers")) == region.replicas[0] == region.nodes
        check_placement(cluster, list_nodes(plan, region.name))
        assert find_rejected(cluster) == {}
    destroy(lab)
    assert {region: list_objects(cluster) for region, cluster in clusters.items()} == before


def test_a_region_of_256_workers_survives_a_zone_and_displaces_warm_capacity(plane: Cluster, lab: ClusterLab) -> None:
    plan = plan_ceiling(256)
    (region,) = plan.regions
    nodes = list_nodes(plan)
    with region_cluster(plane, nodes):
        before, rejected = list_objects(plane), find_rejected(plane)
        deploy(lab, "plan_ceiling(256)", {region.name: plane})
        ranks = running(plane, "novacron-workers", "llm-worker-ranks")
        on_gpus = [*running(plane, "novacron-workers", "llm-workers"), *ranks]
        assert (len(ranks), len(on_gpus)) == (1, 256 // 4)
        assert len(set(on_gpus)) == len(on_gpus)  # each of these pods has all GPUs of a node
        check_placement(plane, nodes)
        assert find_rejected(plane) == rejected
        plane.kubectl("delete", "node", "coordinators-0")
        _displace_warm_capacity(plane, region.replicas[0])
        _check_coordinators_without("coordinators-0", plane)
        destroy(lab)
        assert list_objects(plane) == before


def deploy(lab: ClusterLab, plan: str, clusters: dict[str, Cluster]) -> None:
    """Deploy to the clusters within the limit and without warnings. A second update changes nothing."""
    lab.started = True
    kubeconfigs = {region: cluster.kubeconfig.read_text() for region, cluster in clusters.items()}
    with within_limit():
        first = lab.up(PROGRAM.format(plan=plan, kubeconfigs=kubeconfigs))
    assert first.succeeded, first.errors
    assert lab.warnings(first) == []
    again = lab.up()
    assert again.succeeded, again.errors
    assert lab.steps(again) == []


def destroy(lab: ClusterLab) -> None:
    """Remove what was deployed."""
    removed = lab.run("destroy")
    assert removed.succeeded, removed.errors
    assert lab.warnings(removed) == []


@contextmanager
def within_limit() -> Generator[None]:
    """Fail if the work takes longer than the limit, which grows with the load of a machine that has other work."""
    others = max(1.0, os.getloadavg()[0] / CORES)
    began = time.monotonic()
    yield
    took_s = time.monotonic() - began
    print(f"ready after {took_s:.1f} s; the load was {others * CORES:.1f} before")  # noqa: T201 - pytest -rP shows it
    assert took_s < LIMIT_S * others


def running(cluster: Cluster, namespace: str, name: str) -> list[str]:
    """Return the nodes of the pods with this name that run."""
    return serving_stack.running(serving_stack.pods(cluster, namespace, name))


def check_placement(cluster: Cluster, nodes: Sequence[PlannedNode]) -> None:
    """Check that coordinators are in different zones, and that pods on GPU nodes use GPUs or are device plugins."""
    zones = {node.name: node.zone for node in nodes}
    coordinators = running(cluster, "novacron-llm", "llm-coordinator")
    assert sorted(zones[name] for name in coordinators) == sorted({n.zone for n in nodes if n.role == "coordinator"})
    gpu_nodes = {node.name for node in nodes if node.devices}
    others = [
        pod["metadata"]["name"]
        for pod in cluster.get("pods", "-A")["items"]
        if pod["spec"].get("nodeName") in gpu_nodes
        and "nvidia.com/gpu" not in pod["spec"]["containers"][0]["resources"].get("limits", {})
        and pod["metadata"]["ownerReferences"][0]["kind"] != "DaemonSet"
    ]
    assert others == []


def find_rejected(cluster: Cluster) -> Counter[tuple[str, str, str]]:
    """Return how often the API server rejected an applied object or a pod, by code, kind and verb."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for code, kind, verb, count in _REQUEST.findall(cluster.kubectl("get", "--raw", "/metrics")):
        if verb == "APPLY" or (kind, verb) == ("pods", "POST"):
            counts[code, kind, verb] += int(count)
    return counts


def list_objects(cluster: Cluster) -> list[str]:
    """Return the names of all objects."""
    kinds = cluster.kubectl("api-resources", "--verbs=list,delete", "--output=name").split()
    compared = [kind for kind in kinds if kind.partition(".")[0] not in _NOT_COMPARED]
    found = cluster.kubectl("get", ",".join(compared), "--all-namespaces", "--output=json")
    return sorted(
        f"{item['kind']} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
        for item in json.loads(found)["items"]
    )


def _displace_warm_capacity(cluster: Cluster, replicas: int) -> None:
    """A replica that ends leaves its node to warm capacity, and a new one takes it back."""

    def count(name: str) -> int:
        return len(running(cluster, "novacron-workers", name))

    scale = ("scale", "statefulset", "llm-workers-balanced", "-n", "novacron-workers")
    full = count("llm-workers")
    assert count("llm-warm-capacity") == 0
    cluster.kubectl(*scale, f"--replicas={replicas - 1}")
    wait_until(lambda: count("llm-warm-capacity") == 1, "warm capacity runs")
    cluster.kubectl(*scale, f"--replicas={replicas}")
    wait_until(lambda: count("llm-workers") == full, "the new replica runs")
    assert count("llm-warm-capacity") == 0


def _check_coordinators_without(node: str, cluster: Cluster) -> None:
    """Two coordinators run while the third one starts again in a zone that is left."""

    def find_left() -> list[str]:
        return [name for name in running(cluster, "novacron-llm", "llm-coordinator") if name != node]

    assert len(find_left()) >= 2
    # The garbage collector removes the pod of a deleted node after a minute.
    wait_until(lambda: len(find_left()) == 3, "the third coordinator runs again", limit_s=180)
