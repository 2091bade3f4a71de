"""Resources of a GKE node pool, for each choice of fabric, placement and capacity."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest
import yaml
from novacron_infra.catalog import FabricKind, find_machine
from novacron_infra.errors import ArgumentError
from novacron_infra.gcp import GkeNodePool, GpuDriver
from novacron_infra.gcp.node_config import render_system_config
from novacron_infra.gcp.node_pool import calculate_max_unavailable, make_resource_name
from novacron_infra.pools import Capacity, NodeGroupShape, Placement

from tests.unit.gcp import samples
from tests.unit.gcp.gcp_api import AUTONAME
from tests.unit.gcp.graph import declare
from tests.unit.graph import Graph, Registered

POOL = "gcp:container/nodePool:NodePool"


def pools(region: Graph, pool: str) -> dict[str, Registered]:
    return {item.name: item for item in region.of(POOL) if item.parent == pool}


def node(region: Graph, pool: str) -> dict[str, Any]:
    return region.one(POOL, f"{pool}-nodes").inputs["nodeConfig"]


@pytest.mark.parametrize("pool", samples.SHAPES)
def test_every_pool_is_encrypted_tuned_and_keeps_pods_off_its_credentials(region: Graph, pool: str) -> None:
    machine_type = find_machine(samples.SHAPES[pool].machine)
    for item in pools(region, pool).values():
        config = item.inputs["nodeConfig"]
        assert config["bootDiskKmsKey"] == "projects/acme-prod/keys-storage"
        assert config["workloadMetadataConfig"] == {"mode": "GKE_METADATA"}
        assert config["serviceAccount"] == "prod-nodes@acme-prod.iam.gserviceaccount.com"
        assert config["shieldedInstanceConfig"] == {"enableSecureBoot": True, "enableIntegrityMonitoring": True}
        assert (config["gvnic"], config["gcfsConfig"]) == ({"enabled": True}, {"enabled": True})
        assert item.inputs["networkConfig"]["enablePrivateNodes"] is True
        wanted = yaml.safe_load(render_system_config(machine_type))
        linux = dict(config["linuxNodeConfig"])
        assert linux.pop("sysctls") == wanted["linuxConfig"].pop("sysctl")
        assert linux == wanted["linuxConfig"]
        kubelet = dict(config["kubeletConfig"])
        assert kubelet.pop("insecureKubeletReadonlyPortEnabled") == "FALSE"
        assert wanted["kubeletConfig"].pop("insecureKubeletReadonlyPortEnabled") is False
        assert kubelet == wanted["kubeletConfig"]


@pytest.mark.parametrize("pool", samples.SHAPES)
def test_gpus_are_tainted_have_one_driver_and_are_updated_without_surge(region: Graph, pool: str) -> None:
    has_gpus = find_machine(samples.SHAPES[pool].machine).gpu is not None
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}
    for item in pools(region, pool).values():
        config = item.inputs["nodeConfig"]
        assert config.get("taints") == ([taint] if has_gpus else None)
        assert [gpu["count"] for gpu in config.get("guestAccelerators") or []] == ([8] if has_gpus else [])
        for gpu in config.get("guestAccelerators") or []:
            assert gpu["gpuDriverInstallationConfig"] == {"gpuDriverVersion": "DEFAULT"}
        surge = {"maxSurge": 0, "maxUnavailable": 1} if has_gpus else {"maxSurge": 1, "maxUnavailable": 0}
        assert item.inputs["upgradeSettings"] == {"strategy": "SURGE", **surge}
        assert item.delete_before_replace == has_gpus
        labels = {"novacron.io/node-type": samples.SHAPES[pool].role.value, "novacron.io/workload": "llm-inference"}
        assert config["labels"] == labels | ({"nvidia.com/gpu.count": "8"} if has_gpus else {})


@pytest.mark.parametrize(("nodes", "expected"), [(0, 1), (3, 1), (8, 2), (64, 16), (200, 20)])
def test_a_quarter_of_a_pool_is_updated_at_a_time(nodes: int, expected: int) -> None:
    group = NodeGroupShape(capacity=Capacity.ON_DEMAND, nodes=nodes, minimum_nodes=0, maximum_nodes=nodes)
    assert calculate_max_unavailable(group) == expected


def test_the_driver_can_be_chosen() -> None:
    args = replace(samples.POOL, gpu_driver=GpuDriver.LATEST)
    graph = declare(lambda opts: list(GkeNodePool("workers", args, opts).node_pool_names.values()))
    (gpu,) = graph.one(POOL).inputs["nodeConfig"]["guestAccelerators"]
    assert gpu["gpuDriverInstallationConfig"] == {"gpuDriverVersion": "LATEST"}
    assert graph.result == ["workers-nodes"]


@pytest.mark.parametrize(
    ("pool", "disks"),
    [("tcpxo", 16), ("roce", 32), ("ampere", 8), ("storage", 8), ("coordinators", None)],
)
def test_local_disks_hold_images_and_pods_files(region: Graph, pool: str, disks: int | None) -> None:
    expected = None if disks is None else {"localSsdCount": disks}
    assert node(region, pool).get("ephemeralStorageLocalSsdConfig") == expected


def test_without_fabric_there_is_one_interface(region: Graph) -> None:
    for pool in ("plain", "coordinators", "storage", "ampere"):
        inputs = region.one(POOL, f"{pool}-nodes").inputs
        assert inputs["networkConfig"] == {"enablePrivateNodes": True}
        assert "placementPolicy" not in inputs


@pytest.mark.parametrize(
    ("pool", "networks"),
    [
        ("tcpx", [f"fabric-0-gpu-{index}" for index in range(4)]),
        ("tcpxo", [f"fabric-1-gpu-{index}" for index in range(8)]),
        ("roce", ["fabric-2-gvnic", *["fabric-2-rdma"] * 8]),
        ("blackwell", ["fabric-3-gvnic", *["fabric-3-rdma"] * 8]),
    ],
)
def test_the_fabric_is_a_network_for_each_interface(region: Graph, pool: str, networks: list[str]) -> None:
    config = region.one(POOL, f"{pool}-nodes").inputs["networkConfig"]
    interfaces = config["additionalNodeNetworkConfigs"]
    assert [item["network"] for item in interfaces] == networks
    assert len({item["subnetwork"] for item in interfaces}) == len(networks)
    assert "acceleratorNetworkProfile" not in config


def test_google_can_make_the_fabrics_networks(region: Graph) -> None:
    config = region.one(POOL, "automatic-nodes").inputs["networkConfig"]
    assert config == {"enablePrivateNodes": True, "acceleratorNetworkProfile": "auto"}


def test_fabric_placement_and_reservation_do_not_imply_each_other(region: Graph) -> None:
    placed = {
        item.parent: item.inputs["placementPolicy"] for item in region.of(POOL) if "placementPolicy" in item.inputs
    }
    assert placed == {"placement": {"type": "COMPACT"}}
    assert not any("blueGreenSettings" in item.inputs["upgradeSettings"] for item in region.of(POOL))


@pytest.mark.parametrize(
    ("pool", "value"), [("reservation", "h100"), ("block", "h100/reservationBlocks/h100-block-0001")]
)
def test_a_reservation_is_named_and_nothing_else_is_used(region: Graph, pool: str, value: str) -> None:
    assert node(region, pool)["reservationAffinity"] == {
        "consumeReservationType": "SPECIFIC_RESERVATION",
        "key": "compute.googleapis.com/reservation-name",
        "values": [value],
    }


def test_spot_nodes_are_above_a_floor_of_on_demand_nodes(region: Graph) -> None:
    floor, spot = pools(region, "spot")["spot-nodes"], pools(region, "spot")["spot-spot"]
    assert floor.inputs["nodeCount"] == 2
    assert not {"autoscaling", "initialNodeCount"} & set(floor.inputs)
    assert (floor.inputs["nodeConfig"].get("spot"), floor.ignore_changes) == (None, ("initialNodeCount",))
    assert spot.inputs["nodeConfig"]["spot"] is True
    assert spot.inputs["autoscaling"] == {"totalMinNodeCount": 0, "totalMaxNodeCount": 14, "locationPolicy": "ANY"}
    assert "reservationAffinity" not in spot.inputs["nodeConfig"]


def test_only_an_autoscaler_owns_the_number_of_nodes(region: Graph) -> None:
    scaled = {item.name: item for item in region.of(POOL) if "autoscaling" in item.inputs}
    assert set(scaled) == {"spot-spot", "flex-nodes", "queued-nodes", "storage-nodes"}
    for item in region.of(POOL):
        owned = item.name in scaled
        assert item.ignore_changes == ("initialNodeCount",)
        assert ("initialNodeCount" in item.inputs, "nodeCount" in item.inputs) == (owned, not owned)


def test_the_number_of_nodes_is_shared_out_over_the_zones(region: Graph) -> None:
    coordinators = region.one(POOL, "coordinators-nodes").inputs
    assert (coordinators["nodeCount"], len(coordinators["nodeLocations"])) == (1, 3)
    ampere = region.one(POOL, "ampere-nodes").inputs
    assert (ampere["nodeCount"], len(ampere["nodeLocations"])) == (2, 2)
    storage = region.one(POOL, "storage-nodes").inputs["autoscaling"]
    assert (storage["totalMaxNodeCount"], storage["locationPolicy"]) == (4, "BALANCED")


@pytest.mark.parametrize("pool", ["flex", "queued"])
def test_scheduled_nodes_come_when_asked_for_and_have_an_end(region: Graph, pool: str) -> None:
    inputs = region.one(POOL, f"{pool}-nodes").inputs
    config = inputs["nodeConfig"]
    assert inputs["management"] == {"autoRepair": False, "autoUpgrade": True}
    assert inputs["autoscaling"] == {"totalMinNodeCount": 0, "totalMaxNodeCount": 8, "locationPolicy": "ANY"}
    assert config["reservationAffinity"] == {"consumeReservationType": "NO_RESERVATION"}
    assert config["maxRunDuration"] == "604800s"
    assert "spot" not in config
    assert config.get("flexStart") == (True if pool == "flex" else None)
    assert inputs.get("queuedProvisioning") == ({"enabled": True} if pool == "queued" else None)


def test_all_other_nodes_are_repaired_and_stay(region: Graph) -> None:
    for item in region.of(POOL):
        if item.parent not in ("flex", "queued"):
            assert item.inputs["management"] == {"autoRepair": True, "autoUpgrade": True}
            assert not {"maxRunDuration", "flexStart"} & set(item.inputs["nodeConfig"])


def test_choices_that_exclude_each_other_create_nothing() -> None:
    def program(opts: pulumi.ResourceOptions) -> None:
        samples.pool(opts, placement=Placement.CLUSTER, capacity=Capacity.RESERVATION, zones=samples.ZONES[:2])

    with pytest.raises(ArgumentError) as error:
        declare(program)
    assert [problem.path for problem in error.value.problems] == [
        "workers.reservation_id",
        "workers.placement",
        "workers.zones",
    ]


TCPXO = replace(samples.WORKERS, fabric=FabricKind.TCPXO)
INTERFACES = tuple(range(8))
"""Only their number is looked at before anything is created."""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"region": "us-east4"}, "workers.zones.0 = us-central1-a: it is not a zone of us-east4"),
        ({"pool": "x" * 20}, f"workers.pool = {'x' * 20}: it is not a valid name for a node pool"),
        ({"pool": "Workers"}, "workers.pool = Workers: it is not a valid name for a node pool"),
        ({"boot_disk_gb": 10}, "workers.boot_disk_gb = 10: it is outside 50 to 65536"),
        (
            {"shape": replace(samples.WORKERS, longest_run_s=1_000_000)},
            "workers.longest_run_s = 1000000: it is outside 600 to 604800",
        ),
        ({"local_ssds": 4}, "workers.local_ssds = 4: a3-megagpu-8g has 16 local disks"),
        ({"shape": TCPXO}, "workers.fabric_interfaces = 0 interfaces: tcpxo of a3-megagpu-8g takes 8"),
        (
            {"shape": TCPXO, "fabric_interfaces": INTERFACES[:4]},
            "workers.fabric_interfaces = 4 interfaces: tcpxo of a3-megagpu-8g takes 8",
        ),
        (
            {"shape": TCPXO, "fabric_interfaces": INTERFACES, "automatic_fabric": True},
            "workers.automatic_fabric = True: GKE either makes the fabric's networks or takes these",
        ),
        ({"fabric_interfaces": INTERFACES}, "workers.fabric_interfaces = 8 interfaces: the pool has no fabric"),
        ({"automatic_fabric": True}, "workers.automatic_fabric = True: the pool has no fabric"),
        (
            {"shape": replace(samples.WORKERS, fabric=FabricKind.TCPX)},
            "workers.fabric = tcpx: a3-megagpu-8g has tcpxo. Use tcpxo",
        ),
        ({"shape": replace(samples.WORKERS, machine="a3"), "local_ssds": 1}, "workers.machine = a3: the machine must"),
        (
            {"shape": replace(samples.SHAPES["storage"], zones=samples.ZONES[:2]), "local_ssds": 1},
            "workers.local_ssds = 1: c2-standard-30 has 0, 4, 8 local disks",
        ),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else "",
)
def test_what_the_pool_is_put_into_has_to_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda opts: GkeNodePool("workers", replace(samples.POOL, **changes), opts).node_pool_names)
    assert message in str(error.value)
    assert len(error.value.problems) == 1


def test_a_component_with_a_long_name_needs_a_pool_name() -> None:
    name = "staging-us-central1-workers"
    with pytest.raises(ArgumentError) as error:
        declare(lambda opts: GkeNodePool(name, samples.POOL, opts).node_pool_names)
    assert "it has 27 characters, and names made from it may have 26" in str(error.value)
    graph = declare(lambda opts: GkeNodePool(name, replace(samples.POOL, pool="workers"), opts).node_pool_names)
    node_pool = graph.one("gcp:container/nodePool:NodePool")
    # Pulumi names it: the provider refuses `namePrefix` next to the name that Pulumi adds.
    assert {"name", "namePrefix"} & node_pool.inputs.keys() == set()
    assert re.fullmatch(r"workers-nodes-[0-9a-f]{6}", node_pool.name)


def test_the_longest_pool_name_fits_the_40_characters_of_a_node_pool() -> None:
    pool = "x" * 19
    graph = declare(lambda opts: GkeNodePool("workers", replace(samples.POOL, pool=pool), opts).node_pool_names)
    assert len(graph.one("gcp:container/nodePool:NodePool").name + AUTONAME) == 40


def test_node_pools_of_two_clusters_have_different_names_in_the_stack() -> None:
    names = {make_resource_name(f"prod-{region}-workers", "workers", "nodes") for region in ("us-east4", "us-central1")}
    assert len(names) == 2
