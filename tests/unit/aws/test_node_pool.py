"""Resources of an EKS node pool, for each choice of fabric, placement and capacity."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from novacron_infra.aws import EksNodePool
from novacron_infra.aws.user_data import render_user_data
from novacron_infra.catalog import find_machine
from novacron_infra.errors import ArgumentError
from novacron_infra.pools import Capacity, Placement

from tests.unit.aws import samples
from tests.unit.aws.graph import declare
from tests.unit.graph import Graph, Registered

TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
GROUP = "aws:eks/nodeGroup:NodeGroup"


def template(region: Graph, pool: str) -> dict[str, Any]:
    return region.one(TEMPLATE, f"{pool}-nodes").inputs


def groups(region: Graph, pool: str) -> dict[str, Registered]:
    return {item.name: item for item in region.of(GROUP) if item.parent == pool}


@pytest.mark.parametrize("pool", samples.SHAPES)
def test_every_pool_is_encrypted_and_tuned_and_hides_node_credentials_from_pods(region: Graph, pool: str) -> None:
    inputs = template(region, pool)
    (disk,) = inputs["blockDeviceMappings"]
    assert disk["ebs"] == {
        "volumeType": "gp3",
        "volumeSize": 200,
        "iops": 10_000,
        "throughput": 1_000,
        "encrypted": "true",
        "kmsKeyId": samples.STORAGE_KEY,
        "deleteOnTermination": "true",
    }
    assert inputs["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }
    text = base64.b64decode(inputs["userData"]).decode()
    assert text == render_user_data(find_machine(samples.SHAPES[pool].machine))
    assert {spec["resourceType"] for spec in inputs["tagSpecifications"]} == {"instance", "volume", "network-interface"}


@pytest.mark.parametrize("pool", samples.SHAPES)
def test_gpus_are_tainted_and_updated_without_surge(region: Graph, pool: str) -> None:
    has_gpus = find_machine(samples.SHAPES[pool].machine).gpu is not None
    taint = {"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}
    for group in groups(region, pool).values():
        assert group.inputs.get("taints") == ([taint] if has_gpus else None)
        assert group.inputs["amiType"] == ("AL2023_x86_64_NVIDIA" if has_gpus else "AL2023_x86_64_STANDARD")
        strategy = "MINIMAL" if has_gpus else "DEFAULT"
        assert group.inputs["updateConfig"] == {"maxUnavailablePercentage": 25, "updateStrategy": strategy}
        assert group.inputs["nodeRepairConfig"] == {"enabled": True}
        assert group.delete_before_replace == has_gpus
        labels = {"novacron.io/node-type": samples.SHAPES[pool].role.value, "novacron.io/workload": "llm-inference"}
        assert group.inputs["labels"] == labels | ({"nvidia.com/gpu.count": "8"} if has_gpus else {})


def test_without_fabric_the_launch_template_has_no_network_interface(region: Graph) -> None:
    for pool in ("plain", "coordinators", "storage"):
        assert not {"networkInterfaces", "vpcSecurityGroupIds", "placement"} & set(template(region, pool))


@pytest.mark.parametrize(("pool", "cards"), [("efa", [0, *range(32)]), ("blackwell", list(range(17)))])
def test_launch_template_has_the_fabric_with_its_security_groups_and_no_subnet(
    region: Graph, pool: str, cards: list[int]
) -> None:
    inputs = template(region, pool)
    interfaces = inputs["networkInterfaces"]
    assert [item["networkCardIndex"] for item in interfaces] == cards
    assert [item["interfaceType"] for item in interfaces] == ["interface"] + ["efa-only"] * (len(cards) - 1)
    assert all(item["securityGroups"] == [samples.CLUSTER_GROUP, "network-fabric-id"] for item in interfaces)
    assert not any("subnetId" in item for item in interfaces)
    assert "vpcSecurityGroupIds" not in inputs
    assert groups(region, pool)[f"{pool}-nodes-2a"].inputs["subnetIds"] == ["network-private-us-west-2a-id"]


def test_fabric_placement_and_reservation_do_not_imply_each_other(region: Graph) -> None:
    assert {item.parent for item in region.of("aws:ec2/placementGroup:PlacementGroup")} == {"placement"}
    assert template(region, "placement")["placement"] == {"groupName": "placement-placement"}
    for pool in ("efa", "reservation", "block"):
        assert "placement" not in template(region, pool)
    assert template(region, "reserved-group")["placement"] == {"groupName": "research"}


@pytest.mark.parametrize("pool", ["reservation", "reserved-group", "block"])
def test_pool_with_a_reservation_uses_only_that_reservation(region: Graph, pool: str) -> None:
    assert template(region, pool)["capacityReservationSpecification"] == {
        "capacityReservationPreference": "capacity-reservations-only",
        "capacityReservationTarget": {"capacityReservationId": "cr-0123456789abcdef0"},
    }


def test_capacity_block_has_its_machine_type_in_the_launch_template(region: Graph) -> None:
    inputs = template(region, "block")
    assert (inputs["instanceType"], inputs["instanceMarketOptions"]) == (
        "p5.48xlarge",
        {"marketType": "capacity-block"},
    )
    group = groups(region, "block")["block-nodes-2a"].inputs
    assert (group["capacityType"], group.get("instanceTypes")) == ("CAPACITY_BLOCK", None)
    for pool in set(samples.SHAPES) - {"block"}:
        assert not {"instanceType", "instanceMarketOptions"} & set(template(region, pool))


def test_spot_nodes_are_above_a_floor_of_on_demand_nodes(region: Graph) -> None:
    found = {
        name: (group.inputs["capacityType"], group.inputs["scalingConfig"], group.ignore_changes)
        for name, group in groups(region, "spot").items()
    }
    assert found == {
        "spot-nodes-2a": ("ON_DEMAND", {"minSize": 2, "desiredSize": 2, "maxSize": 2}, ()),
        "spot-spot-2a": ("SPOT", {"minSize": 0, "desiredSize": 2, "maxSize": 14}, ("scalingConfig.desiredSize",)),
    }


def test_autoscaled_pool_ignores_changes_of_its_node_count(region: Graph) -> None:
    owned = {group.name for group in region.of(GROUP) if group.ignore_changes}
    assert owned == {"spot-spot-2a", "storage-nodes-2a", "storage-nodes-2b", "storage-nodes-2c"}


def test_each_zone_has_a_group_of_its_own_and_the_first_ones_get_what_is_left_over() -> None:
    def declare_pool(*zones: str) -> dict[str, tuple[Any, Any]]:
        args = replace(samples.POOL, shape=replace(samples.SHAPES["coordinators"], nodes=4, zones=zones))
        subnets = {zone: f"subnet-{zone}" for zone in zones}
        graph = declare(lambda opts: EksNodePool("coordinators", replace(args, subnet_ids=subnets), opts).node_role_arn)
        return {item.name: (item.inputs["subnetIds"], item.inputs["scalingConfig"]) for item in graph.of(GROUP)}

    def nodes(count: int) -> dict[str, int]:
        return {"desiredSize": count, "maxSize": count, "minSize": count}

    assert declare_pool("us-west-2a", "us-west-2b", "us-west-2c") == {
        "coordinators-nodes-2a": (["subnet-us-west-2a"], nodes(2)),
        "coordinators-nodes-2b": (["subnet-us-west-2b"], nodes(1)),
        "coordinators-nodes-2c": (["subnet-us-west-2c"], nodes(1)),
    }
    assert declare_pool("us-west-2b", "us-west-2c") == {
        "coordinators-nodes-2b": (["subnet-us-west-2b"], nodes(2)),
        "coordinators-nodes-2c": (["subnet-us-west-2c"], nodes(2)),
    }


def test_pool_has_the_tags_from_which_an_autoscaler_predicts_a_node(region: Graph) -> None:
    def told(group: str) -> dict[str, str]:
        tags = [item.inputs for item in region.of("aws:autoscaling/tag:Tag") if item.name.startswith(f"{group}-")]
        assert {item["autoscalingGroupName"] for item in tags} == {f"eks-{group}"}
        prefix = "k8s.io/cluster-autoscaler/node-template/"
        return {item["tag"]["key"].removeprefix(prefix): item["tag"]["value"] for item in tags}

    assert told("spot-spot-2a") == {
        "label/novacron.io/node-type": "worker",
        "label/novacron.io/workload": "llm-inference",
        "label/nvidia.com/gpu.count": "8",
        "taint/nvidia.com/gpu": "true:NoSchedule",
        "resources/nvidia.com/gpu": "8",
        "resources/vpc.amazonaws.com/efa": "32",
    }
    assert told("storage-nodes-2b") == {
        "label/novacron.io/node-type": "storage",
        "label/novacron.io/workload": "llm-inference",
    }


def test_access_entry_of_nodes_exists_before_their_group(region: Graph) -> None:
    for group in region.of(GROUP):
        policies = [item for item in group.dependencies if item.startswith(f"{group.parent}-Amazon")]
        assert len(policies) == 3


def test_conflicting_choices_create_no_resource() -> None:
    def program(opts: pulumi.ResourceOptions) -> None:
        samples.pool(opts, placement=Placement.CLUSTER, capacity=Capacity.RESERVATION, zones=samples.ZONES)

    with pytest.raises(ArgumentError) as error:
        declare(program)
    assert [problem.path for problem in error.value.problems] == [
        "workers.reservation_id",
        "workers.placement",
        "workers.zones",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subnet_ids": {"us-west-2b": "subnet-b"}}, "workers.subnet_ids = us-west-2b: zone us-west-2a has no subnet"),
        (
            {"fabric_security_group_id": None},
            "workers.fabric_security_group_id = None: efa needs a group whose members",
        ),
    ],
    ids=["subnet", "security group"],
)
def test_cluster_network_and_names_have_to_fit_the_pool(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda opts: EksNodePool("workers", replace(samples.POOL, **changes), opts).node_role_arn)
    assert message in str(error.value)
