"""The serving stack alone of production's first region: a program, and its pods in a cluster."""

from __future__ import annotations

from typing import Any

from tests.cluster.production import ROOT, plan_production
from tools.cluster.cluster import Cluster
from tools.cluster.planned_nodes import list_nodes

PROGRAM = f"""
from dataclasses import replace
import yaml
from novacron_infra import ServedModel, ServingImages, load
from novacron_infra.plan import plan_environment
from novacron_infra.plan.serving import plan_region_serving
from novacron_infra.workloads import ServingStack, ServingStackArgs
from novacron_infra.workloads.serving_args import GpuWorkers, ModelStoreAccess

stack = yaml.safe_load(Path("{ROOT}/Pulumi.prod.yaml").read_text())["config"]["novacron:environment"]
plan = plan_environment(load(stack))
serving = plan_region_serving(plan, plan.regions[0])
counts = COUNTS
groups = tuple(replace(group, replicas=counts.get(group.profile.value, group.replicas)) for group in serving.workers)
ServingStack(
    "serving",
    ServingStackArgs(
        images=ServingImages(coordinator="localhost/novacron-coordinator:1", worker="localhost/novacron-worker-gpu:1"),
        model=ServedModel(id=serving.model_id),
        coordinators=serving.coordinators,
        coordinator_nodes=serving.coordinator_nodes,
        workers=GpuWorkers(groups=groups, store=ModelStoreAccess(url="s3://novacron-prod-models/models")),
        ports=serving.ports,
    ),
    O(providers=[cluster]),
)
"""


def program(**replicas: int) -> str:
    """Return a program with the serving stack. `replicas` are those of profiles, in place of the plan's."""
    return PROGRAM.replace("COUNTS", repr(replicas))


def region_nodes() -> list[dict[str, object]]:
    """Return the nodes of the region."""
    return [node.make_object() for node in list_nodes(plan_production())]


def pods(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    """Return the pods with this name."""
    return cluster.get("pods", "-n", namespace, "-l", f"app.kubernetes.io/name={name}")["items"]


def running(found: list[dict[str, Any]]) -> list[str]:
    """Return the nodes of the pods that run."""
    return [pod["spec"]["nodeName"] for pod in found if pod["status"].get("phase") == "Running"]
