"""The node pool of every machine of the catalogue, under the mocks of its cloud; what cannot work is refused."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from novacron_infra.aws import EksNodePool
from novacron_infra.azure import AksNodePool
from novacron_infra.catalog import Capacity, Cloud, Machine, find_gpu, load_machines
from novacron_infra.errors import ArgumentError
from novacron_infra.gcp import GkeNodePool
from novacron_infra.pools import GPU_COUNT_LABEL, GPU_TAINT, NodePoolShape, NodeRole, Placement

from tests.unit.aws import graph as aws_graph
from tests.unit.aws import samples as aws
from tests.unit.azure import graph as azure_graph
from tests.unit.azure import samples as azure
from tests.unit.config.environments import find_problems, read_stack
from tests.unit.gcp import graph as gcp_graph
from tests.unit.gcp import samples as gcp
from tests.unit.graph import Graph

MACHINES = {
    cloud: [item for item in load_machines().values() if item.cloud is cloud and not item.unsupported_because]
    for cloud in Cloud
}
REFUSED = [item for item in load_machines().values() if item.unsupported_because]
RESERVATIONS = {Cloud.AWS: "cr-0123456789abcdef0", Cloud.GCP: "reserved"}
Make = Callable[[str, NodePoolShape, pulumi.ResourceOptions], object]


def shape(machine: Machine, zones: tuple[str, ...]) -> NodePoolShape:
    """A pool of the machine; with its fabric, the nodes are close and a replica has two of them."""
    if machine.gpu is None:
        return NodePoolShape(role=NodeRole.COORDINATOR, machine=machine.name, nodes=3, zones=zones)
    pool = buy(machine, NodePoolShape(role=NodeRole.WORKER, machine=machine.name, nodes=2, zones=zones[:1]))
    if machine.fabric is None:
        return pool
    # A reservation has a placement of its own.
    placement = Placement.NONE if pool.capacity is Capacity.RESERVATION else Placement.CLUSTER
    return replace(pool, fabric=machine.fabric.kind, placement=placement, nodes_per_replica=2)


def buy(machine: Machine, pool: NodePoolShape) -> NodePoolShape:
    """The pool, bought on demand where the machine is sold so."""
    if machine.sold is None or Capacity.ON_DEMAND in machine.sold.capacities:
        return pool
    if Capacity.RESERVATION in machine.sold.capacities:
        return replace(pool, capacity=Capacity.RESERVATION, reservation_id=RESERVATIONS[machine.cloud])
    return replace(pool, nodes=0, minimum_nodes=0, maximum_nodes=2, capacity=Capacity.FLEX_START)


def eks(name: str, pool: NodePoolShape, opts: pulumi.ResourceOptions) -> None:
    EksNodePool(name, replace(aws.POOL, shape=pool), opts)


def gke(name: str, pool: NodePoolShape, opts: pulumi.ResourceOptions) -> None:
    GkeNodePool(name, replace(gcp.POOL, shape=pool, automatic_fabric=pool.fabric is not None), opts)


def aks(name: str, pool: NodePoolShape, opts: pulumi.ResourceOptions) -> None:
    AksNodePool(name, replace(azure.POOL, shape=pool, pool=name), opts)


ZONES: Mapping[Cloud, tuple[str, ...]] = {Cloud.AWS: aws.ZONES, Cloud.GCP: gcp.ZONES, Cloud.AZURE: ()}
MAKE: Mapping[Cloud, Make] = {Cloud.AWS: eks, Cloud.GCP: gke, Cloud.AZURE: aks}


def declare_all(cloud: Cloud, declare: Callable[..., Graph]) -> Graph:
    def program(opts: pulumi.ResourceOptions) -> None:
        for index, machine in enumerate(MACHINES[cloud]):
            MAKE[cloud](f"m{index}", shape(machine, ZONES[cloud]), opts)

    return declare(program)


@pytest.fixture(scope="module")
def on_aws() -> Graph:
    return declare_all(Cloud.AWS, aws_graph.declare)


@pytest.fixture(scope="module")
def on_gcp() -> Graph:
    return declare_all(Cloud.GCP, gcp_graph.declare)


@pytest.fixture(scope="module")
def on_azure() -> Graph:
    return declare_all(Cloud.AZURE, azure_graph.declare)


def numbered(cloud: Cloud) -> Any:
    items = [pytest.param(f"m{index}", item, id=item.name) for index, item in enumerate(MACHINES[cloud])]
    return pytest.mark.parametrize(("name", "machine"), items)


@numbered(Cloud.AWS)
def test_pools_on_eks(on_aws: Graph, name: str, machine: Machine) -> None:
    group = on_aws.one("aws:eks/nodeGroup:NodeGroup", f"{name}-nodes-2a").inputs
    template = on_aws.one("aws:ec2/launchTemplate:LaunchTemplate", f"{name}-nodes").inputs
    assert group["instanceTypes"] == [machine.name]
    assert group["amiType"] == ("AL2023_x86_64_NVIDIA" if machine.gpu else "AL2023_x86_64_STANDARD")
    assert group["labels"].get(GPU_COUNT_LABEL) == (str(machine.gpu_count) if machine.gpu else None)
    assert [taint["key"] for taint in group.get("taints") or []] == ([GPU_TAINT] if machine.gpu else [])
    cards = template.get("networkInterfaces") or []
    assert len(cards) == (machine.fabric.interfaces + 1 if machine.fabric else 0)
    assert len({(card["networkCardIndex"], card["deviceIndex"]) for card in cards}) == len(cards)
    text = base64.b64decode(template["userData"]).decode()
    assert ("RAID0" in text) == bool(machine.local_nvme_gb)
    assert ("nvidia-smi -ac" in text) == bool(machine.gpu and find_gpu(machine.gpu).clocks)


@numbered(Cloud.GCP)
def test_pools_on_gke(on_gcp: Graph, name: str, machine: Machine) -> None:
    pool = on_gcp.one("gcp:container/nodePool:NodePool", f"{name}-nodes").inputs
    config = pool["nodeConfig"]
    assert config["machineType"] == machine.name
    accelerators = [(item["type"], item["count"]) for item in config.get("guestAccelerators") or []]
    if machine.gpu is None:
        assert accelerators == []
    else:
        expected = machine.gke.accelerator or find_gpu(machine.gpu).gke_accelerator
        assert accelerators == [(expected, machine.gpu_count)]
        assert config["labels"][GPU_COUNT_LABEL] == str(machine.gpu_count)
    disks = (config.get("ephemeralStorageLocalSsdConfig") or {}).get("localSsdCount", 0)
    assert disks * 375 == (machine.local_nvme_gb or 0)
    assert pool["networkConfig"].get("acceleratorNetworkProfile") == ("auto" if machine.fabric else None)


@numbered(Cloud.AZURE)
def test_pools_on_aks(on_azure: Graph, name: str, machine: Machine) -> None:
    pool = on_azure.one("containerservice:AgentPool", f"{name}-nodes").inputs
    assert pool["vmSize"] == machine.name
    assert (GPU_TAINT in str(pool.get("nodeTaints"))) == (machine.gpu is not None)
    assert pool["nodeLabels"].get(GPU_COUNT_LABEL) == (str(machine.gpu_count) if machine.gpu else None)


@pytest.mark.parametrize("machine", REFUSED, ids=lambda item: item.name)
def test_a_machine_that_cannot_work_is_refused_by_the_component_and_by_the_plan(machine: Machine) -> None:
    zones, make = ZONES[machine.cloud] or ("1",), MAKE[machine.cloud]
    with pytest.raises(ArgumentError, match=f"machine = {machine.name}: its processors are Arm"):
        make("m", shape(machine, zones), pulumi.ResourceOptions())
    if machine.cloud is Cloud.AWS:
        stack = read_stack("prod")
        stack["workers"]["machine"] = machine.name
        assert "its processors are Arm" in find_problems(stack)["workers.machine"].rule


def test_some_machines_are_refused() -> None:
    assert {item.cloud for item in REFUSED} == set(Cloud)
