"""Simulated nodes have the labels, taints and devices that each cloud's node pools give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra import load
from novacron_infra.config import CloudEnvironment
from novacron_infra.plan import EnvironmentPlan, plan_environment

from tools.cluster.binaries import ClusterError
from tools.cluster.planned_nodes import describe_nodes, list_nodes

ROOT = Path(__file__).parents[2]


def read_plan(file: str, **workers: Any) -> EnvironmentPlan:
    values = yaml.safe_load((ROOT / file).read_text())["config"]["novacron:environment"]
    config = load(values | {"workers": values["workers"] | workers})
    assert isinstance(config, CloudEnvironment)
    return plan_environment(config)


def test_every_region_of_production_has_its_coordinators_and_together_sixteen_gpu_machines() -> None:
    plan = read_plan("Pulumi.prod.yaml")
    gpu_nodes = 0
    for region in plan.config.regions:
        nodes = list_nodes(plan, region.name)
        assert [node.zone for node in nodes if node.role == "coordinator"] == list(region.zones)
        gpu_nodes += len([node for node in nodes if node.devices.get("nvidia.com/gpu") == 8])
        assert len({node.name for node in nodes}) == len(nodes)
    assert gpu_nodes == 16


@pytest.mark.parametrize(
    ("file", "region", "zone", "taint", "fabric"),
    [
        ("Pulumi.prod.yaml", "us-east-1", "us-east-1a", "true", {"vpc.amazonaws.com/efa": 32}),
        ("examples/environments/Pulumi.prod-gcp.yaml", "us-central1", "us-central1-a", "present", {}),
        ("examples/environments/Pulumi.prod-azure.yaml", "japaneast", "0", "true", {"rdma/ib": 63}),
    ],
    ids=["aws", "gcp", "azure"],
)
def test_gpu_nodes_are_those_of_their_cloud(
    file: str, region: str, zone: str, taint: str, fabric: dict[str, int]
) -> None:
    node = list_nodes(read_plan(file), region)[-1]
    assert node.devices == {"nvidia.com/gpu": 8, **fabric}
    written: Any = node.make_object()
    assert written["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": taint, "effect": "NoSchedule"}]
    labels = written["metadata"]["labels"]
    assert (labels["topology.kubernetes.io/region"], labels["topology.kubernetes.io/zone"]) == (region, zone)
    assert (labels["novacron.io/node-type"], labels["nvidia.com/gpu.count"]) == ("worker", "8")
    assert labels["node.kubernetes.io/instance-type"] == node.machine
    assert ("hugepages-2Mi" in written["status"]["allocatable"]) == ("vpc.amazonaws.com/efa" in fabric)


def test_spot_nodes_are_a_group_of_their_own_and_aks_taints_them() -> None:
    plan = read_plan("examples/environments/Pulumi.prod-azure.yaml", capacity={"kind": "spot", "fraction": 0.7})
    spot = [node for node in list_nodes(plan) if node.name.startswith("workers-spot-")]
    key = "kubernetes.azure.com/scalesetpriority"
    assert spot
    assert all(node.taints[key] == node.labels[key] == "spot" for node in spot)


def test_the_description_counts_nodes_by_kind_and_names_zones_devices_and_taints() -> None:
    assert describe_nodes(list_nodes(read_plan("Pulumi.prod.yaml"))) == [
        "3 × i4i.16xlarge coordinator in us-west-2a, us-west-2b, us-west-2c",
        "6 × p5.48xlarge worker in us-west-2a, 8 × nvidia.com/gpu, 32 × vpc.amazonaws.com/efa, taint nvidia.com/gpu",
    ]


def test_a_region_that_the_stack_does_not_have_is_an_error_with_its_regions() -> None:
    plan = read_plan("Pulumi.dev.yaml")
    with pytest.raises(ClusterError, match=r"--region mars: .* its regions are us-west-2"):
        list_nodes(plan, "mars")
