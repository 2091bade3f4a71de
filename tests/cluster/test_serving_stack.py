"""The serving stack of production's first region on simulated nodes.

The API server, the scheduler and the controllers are real. Nodes and containers are not, and a stand-in makes the pods
of LeaderWorkerSets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.leader_worker_sets import LeaderWorkerSetStandIn, read_definition
from tests.rehearsal.kubernetes.lab import ClusterLab
from tools.cluster.cluster import Cluster

ROOT = Path(__file__).parents[2]
PROGRAM = f"""
from dataclasses import replace
import yaml
from novacron_infra import ServedModel, ServingImages, load
from novacron_infra.plan import plan_environment
from novacron_infra.plan.serving import plan_region_serving
from novacron_infra.workloads import ServingStack, ServingStackArgs
from novacron_infra.workloads.serving_args import GpuWorkers, ModelStoreAccess

stack = yaml.safe_load(Path("{ROOT}/Pulumi.prod.yaml").read_text())["config"]["novacron:environment"]
stack["workers"]["warm_replicas"] = WARM
plan = plan_environment(load(stack))
serving = plan_region_serving(plan, plan.regions[0])
counts = COUNTS
# Simulated pods take their whole grace period to end.
groups = tuple(
    replace(group, replicas=counts.get(group.profile.value, group.replicas), drain_s=0) for group in serving.workers
)
ServingStack(
    "serving",
    ServingStackArgs(
        images=ServingImages(coordinator="localhost/novacron-coordinator:1", worker="localhost/novacron-worker-gpu:1"),
        model=ServedModel(id=serving.model_id),
        coordinators=serving.coordinators.model_copy(update={{"drain_s": 0}}),
        coordinator_nodes=serving.coordinator_nodes,
        workers=GpuWorkers(groups=groups, store=ModelStoreAccess(url="s3://novacron-prod-models/models")),
        ports=serving.ports,
    ),
    O(providers=[cluster]),
)
"""
ZONES = ("us-west-2a", "us-west-2b", "us-west-2c")
GPU_NODES = 6
GPUS = {"vpc.amazonaws.com/efa": "32", "nvidia.com/gpu": "8", "hugepages-2Mi": "10Gi"}
"""Devices of a p5.48xlarge."""


def node(name: str, zone: str, role: str, capacity: dict[str, str], taints: list[dict[str, str]]) -> dict[str, Any]:
    labels = {"topology.kubernetes.io/zone": zone, "novacron.io/node-type": role, "kubernetes.io/hostname": name}
    quantities = {"pods": "110", "ephemeral-storage": "28000Gi", **capacity}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": labels},
        "spec": {"taints": taints},
        "status": {"allocatable": quantities, "capacity": quantities},
    }


def region_nodes() -> list[dict[str, Any]]:
    """Return the machines of production's first region: three i4i.16xlarge and six p5.48xlarge."""
    small = {"cpu": "63", "memory": "500Gi"}
    large = {"cpu": "190", "memory": "2000Gi", **GPUS}
    taint = [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]
    coordinators = [node(f"coordinator-{zone}", zone, "coordinator", small, []) for zone in ZONES]
    return [*coordinators, *(node(f"gpu-{index}", ZONES[0], "worker", large, taint) for index in range(GPU_NODES))]


@pytest.fixture
def region(plane: Cluster) -> Iterator[Cluster]:
    """Add a region's nodes and the definition of LeaderWorkerSet to the control plane, and start the stand-in."""
    plane.kubectl("apply", "--server-side", "-f", "-", given=read_definition())
    plane.kubectl(
        "apply", "--server-side", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": region_nodes()}
    )
    plane.kubectl("wait", "--for=condition=Established", "crd/leaderworkersets.leaderworkerset.x-k8s.io")
    stand_in = LeaderWorkerSetStandIn(plane.kubeconfig)
    stand_in.start()
    try:
        yield plane
    finally:
        stand_in.stop()
        plane.kubectl("delete", "nodes", "-l", "novacron.io/node-type", "--wait=false", check=False)


def program(*, warm: int = 0, **replicas: int) -> str:
    return PROGRAM.replace("WARM", str(warm)).replace("COUNTS", repr(replicas))


def pods(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    return cluster.get("pods", "-n", namespace, "-l", f"app.kubernetes.io/name={name}")["items"]


def running(found: list[dict[str, Any]]) -> list[str]:
    """Return the nodes of the pods that run."""
    return [pod["spec"]["nodeName"] for pod in found if pod["status"].get("phase") == "Running"]


def test_a_region_of_production_runs_survives_a_zone_and_displaces_warm_capacity(
    region: Cluster, lab: ClusterLab
) -> None:
    lab.started = True
    text = program(warm=1, balanced=3, quality=1)
    first = lab.up(text)
    assert first.succeeded, first.errors
    assert lab.warnings(first) == []
    again = lab.up()
    assert again.succeeded, again.errors
    assert lab.steps(again) == []

    workers = pods(region, "novacron-workers", "llm-workers")
    ranks = pods(region, "novacron-workers", "llm-worker-ranks")
    assert len(running(workers)) == 3 + 1
    assert len(running(ranks)) == 1
    on_gpus = running(workers) + running(ranks)
    assert len(set(on_gpus)) == 5  # each of these pods has all GPUs of a node
    assert all(name.startswith("gpu-") for name in on_gpus)
    coordinators = running(pods(region, "novacron-llm", "llm-coordinator"))
    assert sorted(coordinators) == [f"coordinator-{zone}" for zone in ZONES]
    on_gpu_nodes = [
        pod["metadata"]["name"]
        for pod in region.get("pods", "-A")["items"]
        if pod["spec"].get("nodeName", "").startswith("gpu-")
        and "nvidia.com/gpu" not in pod["spec"]["containers"][0]["resources"].get("limits", {})
    ]
    assert on_gpu_nodes == []

    _displace_warm_capacity(region)
    _lose_a_zone(region)

    removed = lab.run("destroy")
    assert removed.succeeded, removed.errors
    assert region.kubectl("get", "namespaces", "novacron-llm", "novacron-workers", "--ignore-not-found") == ""


def _displace_warm_capacity(region: Cluster) -> None:
    warm = pods(region, "novacron-workers", "llm-warm-capacity")
    assert len(running(warm)) == 1
    region.kubectl("scale", "statefulset", "llm-workers-balanced", "-n", "novacron-workers", "--replicas=4")
    _eventually(lambda: len(running(pods(region, "novacron-workers", "llm-workers"))) == 5)
    assert running(pods(region, "novacron-workers", "llm-warm-capacity")) == []


def _lose_a_zone(region: Cluster) -> None:
    region.kubectl("delete", "node", f"coordinator-{ZONES[0]}")
    left = [name for name in running(pods(region, "novacron-llm", "llm-coordinator")) if ZONES[0] not in name]
    assert len(left) == 2
    # The third one starts again in a zone that is left.
    _eventually(
        lambda: len([n for n in running(pods(region, "novacron-llm", "llm-coordinator")) if ZONES[0] not in n]) == 3
    )


def _eventually(holds: Callable[[], bool], limit_s: float = 120) -> None:
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, f"the condition does not hold after {limit_s:g} s"
        time.sleep(1)
