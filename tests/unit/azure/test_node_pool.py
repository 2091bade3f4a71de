"""The graph of a node pool: for each choice, what reaches Azure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pulumi
import pytest
from novacron_infra.azure import AksNodePool, DiskPlace, GpuStack, OsSku
from novacron_infra.catalog import find_machine
from novacron_infra.errors import ArgumentError
from novacron_infra.pools import Capacity, Placement

from tests.unit.azure import samples
from tests.unit.azure.graph import declare, resource_id
from tests.unit.graph import Graph, Registered

POOL = "containerservice:AgentPool"


def groups(region: Graph, pool: str) -> dict[str, Registered]:
    return {item.name: item for item in region.of(POOL) if item.parent == pool}


def only(region: Graph, pool: str) -> dict[str, Any]:
    (group,) = groups(region, pool).values()
    return group.inputs


@pytest.mark.parametrize("pool", samples.SHAPES)
def test_every_pool_is_encrypted_private_and_tuned(region: Graph, pool: str) -> None:
    for group in groups(region, pool).values():
        inputs = group.inputs
        assert inputs["enableEncryptionAtHost"] is True
        assert inputs["enableNodePublicIP"] is False
        assert inputs["securityProfile"] == {"sshAccess": "Disabled"}
        assert inputs["mode"] == "User"
        assert inputs["vnetSubnetID"] == resource_id("network:Subnet", "network-nodes")
        assert inputs["linuxOSConfig"]["transparentHugePageEnabled"] == "never"
        assert inputs["linuxOSConfig"]["sysctls"]["netCoreRmemMax"] == 128 * 2**20
        assert (inputs["osSKU"], inputs["orchestratorVersion"]) == ("Ubuntu", "1.35")


@pytest.mark.parametrize("pool", samples.SHAPES)
def test_gpus_are_tainted_have_one_owner_and_are_updated_without_surge(region: Graph, pool: str) -> None:
    has_gpus = find_machine(samples.SHAPES[pool].machine).gpu is not None
    for group in groups(region, pool).values():
        inputs = group.inputs
        assert ("nvidia.com/gpu=true:NoSchedule" in inputs.get("nodeTaints", [])) == has_gpus
        assert inputs.get("gpuProfile") == ({"driver": "None"} if has_gpus else None)
        assert inputs["upgradeSettings"] == (
            {"maxSurge": "0", "maxUnavailable": "25%"} if has_gpus else {"maxSurge": "25%", "maxUnavailable": "0"}
        )
        labels = {"novacron.io/node-type": samples.SHAPES[pool].role.value, "novacron.io/workload": "llm-inference"}
        assert labels.items() <= inputs["nodeLabels"].items()
        assert inputs["nodeLabels"].get("nvidia.com/gpu.count") == ("8" if has_gpus else None)
        assert ("cpuManagerPolicy" in inputs["kubeletConfig"]) == has_gpus
        assert group.delete_before_replace


def test_aks_can_own_the_gpus_driver() -> None:
    args = replace(samples.POOL, shape=samples.SHAPES["plain"], gpu_stack=GpuStack.AKS)
    graph = declare(lambda opts: AksNodePool("workers", args, opts).agent_pool_names["nodes"])
    assert graph.one(POOL).inputs["gpuProfile"] == {"driver": "Install"}


def test_zones_are_named_only_where_the_user_names_them(region: Graph) -> None:
    zones: dict[str, list[str] | None] = {}
    for item in region.of(POOL):
        own = item.inputs.get("availabilityZones")
        zones[item.parent] = own if own is None else sorted([*(zones.get(item.parent) or []), *own])
    assert zones == {
        "plain": None,
        "infini": None,
        "near": ["2"],
        "cheap": None,
        "reserved": None,
        "coord": ["1", "2", "3"],
        "storage": ["1"],
    }


def test_fabric_placement_and_reservation_do_not_imply_each_other(region: Graph) -> None:
    placement = region.one("compute:ProximityPlacementGroup")
    assert placement.inputs["intent"] == {"vmSizes": ["Standard_ND96isr_H100_v5"]}
    assert placement.inputs["zones"] == ["2"]
    placed = {item.parent: item.inputs.get("proximityPlacementGroupID") for item in region.of(POOL)}
    assert placed.pop("near") == resource_id("compute:ProximityPlacementGroup", "near-placement")
    assert set(placed.values()) == {None}
    reserved = {item.parent for item in region.of(POOL) if "capacityReservationGroupID" in item.inputs}
    assert reserved == {"reserved"}


def test_a_reservation_is_named_and_the_cluster_may_launch_into_it(region: Graph) -> None:
    (pool,) = groups(region, "reserved").values()
    assert pool.inputs["capacityReservationGroupID"] == samples.RESERVATION
    assert pool.inputs["scaleSetPriority"] == "Regular"
    assert "authorization:RoleAssignment reserved-reservation" in pool.typed_dependencies


def test_spot_nodes_are_above_a_floor_of_on_demand_nodes(region: Graph) -> None:
    found = groups(region, "cheap")
    floor, spot = found["cheap-nodes"].inputs, found["cheap-spot"].inputs
    assert (floor["agentPoolName"], floor["scaleSetPriority"], floor["count"]) == ("cheap", "Regular", 2)
    assert floor["enableAutoScaling"] is False
    assert not {"scaleSetEvictionPolicy", "spotMaxPrice", "minCount"} & set(floor)
    assert (spot["agentPoolName"], spot["scaleSetPriority"], spot["count"]) == ("cheapspot", "Spot", 2)
    assert (spot["minCount"], spot["maxCount"]) == (0, 14)
    assert (spot["scaleSetEvictionPolicy"], spot["spotMaxPrice"]) == ("Delete", -1)
    taint, label = "kubernetes.azure.com/scalesetpriority=spot:NoSchedule", "kubernetes.azure.com/scalesetpriority"
    assert (taint in spot["nodeTaints"], taint in floor["nodeTaints"]) == (True, False)
    assert (spot["nodeLabels"][label], floor["nodeLabels"].get(label)) == ("spot", None)


def test_only_an_autoscaler_owns_the_number_of_nodes(region: Graph) -> None:
    owned = {item.name: item.ignore_changes for item in region.of(POOL) if item.ignore_changes}
    assert owned == {"cheap-spot": ("count",), "storage-nodes-1": ("count",)}
    assert {item.name for item in region.of(POOL) if item.inputs["enableAutoScaling"]} == set(owned)


def test_the_system_lies_where_it_was_put(region: Graph) -> None:
    assert only(region, "storage")["osDiskType"] == "Ephemeral"
    for group in groups(region, "coord").values():
        assert (group.inputs["osDiskType"], group.inputs["osDiskSizeGB"]) == ("Managed", 512)


def test_names_leave_room_for_every_suffix(region: Graph) -> None:
    names = [item.inputs["agentPoolName"] for item in region.of(POOL)]
    assert len(set(names)) == len(names)
    args = replace(samples.POOL, pool="h" * 8, shape=samples.SHAPES["cheap"])
    graph = declare(lambda opts: AksNodePool("workers", args, opts).agent_pool_names["spot"])
    assert max(len(item.inputs["agentPoolName"]) for item in graph.of(POOL)) == 12  # AKS's limit


def test_choices_that_exclude_each_other_create_nothing() -> None:
    def program(opts: pulumi.ResourceOptions) -> None:
        samples.pool(opts, placement=Placement.CLUSTER, capacity=Capacity.RESERVATION, zones=("1", "2"))

    with pytest.raises(ArgumentError) as error:
        declare(program)
    assert [problem.path for problem in error.value.problems] == [
        "workers.capacity",
        "workers.reservation_id",
        "workers.placement",
        "workers.zones",
    ]


CPU = samples.SHAPES["coord"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool": "workers01"}, "workers.pool = workers01: AKS names pools with 8 lower-case letters and digits"),
        ({"pool": "gpu-1"}, "workers.pool = gpu-1: AKS names pools"),
        ({"pool": "1gpu"}, "workers.pool = 1gpu: AKS names pools"),
        ({"pool": ""}, "workers.pool = : AKS names pools"),
        ({"os_disk_gib": 64}, "workers.os_disk_gib = 64: a system disk has 128 to 2048 GiB"),
        ({"spot_max_usd_per_hour": 0.0}, "workers.spot_max_usd_per_hour = 0: no node is sold for it"),
        ({"gpu_stack": GpuStack.AKS}, "workers.gpu_stack = AKS: GPUs use InfiniBand only with a driver"),
        ({"os_sku": OsSku.AZURE_LINUX}, "workers.os_sku = AzureLinux: the network operator brings the driver"),
        (
            {"shape": CPU, "os_disk": DiskPlace.LOCAL},
            "workers.os_disk = local: Standard_D64s_v5 has no local disk. Use managed",
        ),
        ({"region": "us-west-2"}, "workers.region = us-west-2: Azure writes no region like this"),
    ],
    ids=str,
)
def test_what_aks_does_not_take_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda opts: AksNodePool("workers", replace(samples.POOL, **changes), opts).agent_pool_names)
    assert message in str(error.value)
    assert len(error.value.problems) == 1
