"""Networks that exist: they are checked and used, and nothing of them is a managed resource."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from novacron_infra.config import CloudEnvironment, load
from novacron_rehearsal.events import StepOp

from tests.unit.config.environments import ROOT, change, find_problems
from tests.unit.existing_things import AWS, AZURE, CLOUDS, GCP, HUB, answer, find_missing, list_types
from tests.unit.simulated_stack import deploy

MANAGED = {
    "aws": (
        "aws:ec2/vpc:",
        "aws:ec2/subnet:",
        "aws:ec2/route",
        "aws:ec2/natGateway:",
        "aws:ec2/internetGateway:",
        "aws:ec2/eip:",
        "aws:ec2/vpcEndpoint:",
        "aws:ec2/flowLog:",
        "aws:ec2/defaultSecurityGroup:",
    ),
    "gcp": (
        "gcp:compute/router",
        "gcp:compute/globalAddress:",
        "gcp:servicenetworking/",
        "gcp:networkconnectivity/",
    ),
    "azure": (
        "azure-native:network:VirtualNetwork",
        "azure-native:network:Subnet",
        "azure-native:network:NatGateway",
        "azure-native:network:NetworkSecurityGroup",
        "azure-native:network:FlowLog",
        "azure-native:privatedns:",
    ),
}
"""Beginnings of the types that a region declares for a network of its own, and for no other purpose."""


@pytest.mark.parametrize("cloud", CLOUDS)
def test_nothing_of_a_network_that_exists_is_a_resource(cloud: str) -> None:
    values = CLOUDS[cloud]
    own = change(values, {f"regions.{index}.existing": {} for index in range(len(values["regions"]))})
    types = list_types(deploy(own))
    assert all(any(item.startswith(kind) for item in types) for kind in MANAGED[cloud])
    deployment = deploy(values)
    assert [item for item in list_types(deployment) if item.startswith(MANAGED[cloud])] == []
    assert not deploy(values, deployment).steps


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_is_created_is_in_the_network_that_exists_and_none_of_it_is_the_network(cloud: str) -> None:
    deployment = deploy(CLOUDS[cloud])
    network = CLOUDS[cloud]["regions"][0]["existing"][cloud]["network"]
    id_ = {"aws": "vpc_id", "gcp": "subnet", "azure": "vnet_id"}[cloud]
    inputs = json.dumps([item.inputs for item in deployment.resources.values()], default=str)
    assert network[id_] in inputs
    ids = {item.id for item in deployment.resources.values()}
    assert not ids & {network[id_], *network.get("private_subnets", {}).values()}


def test_the_google_network_of_another_region_is_left_alone() -> None:
    fabrics = [item for item in deploy(GCP).resources.values() if item.type == "gcp:compute/network:Network"]
    assert fabrics
    assert all("-workers-" in item.name for item in fabrics)


def test_zones_of_private_endpoints_are_created_without_a_group_that_has_them() -> None:
    network = {key: value for key, value in _network(AZURE, "azure").items() if key != "private_dns_group"}
    types = list_types(deploy(change(AZURE, {"regions.0.existing": {"azure": {"network": network}}})))
    assert {"azure-native:privatedns:PrivateZone", "azure-native:privatedns:VirtualNetworkLink"} <= types
    assert "azure-native:network:VirtualNetwork" not in types


VPC, SUBNET = "aws:ec2/getVpc:getVpc", "aws:ec2/getSubnet:getSubnet"
ROUTES, ENDPOINT = "aws:ec2/getRouteTable:getRouteTable", "aws:ec2/getVpcEndpoint:getVpcEndpoint"
PRIVATE, PUBLIC = "aws.network.private_subnets.us-west-2a", "aws.network.public_subnets.us-west-2a"
NAT = {"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1"}
INTERNET = {"cidrBlock": "0.0.0.0/0", "gatewayId": "igw-1"}
ROOM: dict[str, Any] = {"availableIpAddressCount": 4000, "cidrBlock": "10.0.0.0/18"}
SHARED, PEERING = "gcp:compute/getNetwork:getNetwork", "gcp:compute/getNetworkPeering:getNetworkPeering"
NODES = "gcp:compute/getSubnetwork:getSubnetwork"
RANGES = [{"rangeName": "gke-pods", "ipCidrRange": "10.128.0.0/28"}]
VNET, ZONE = "azure-native:network:getVirtualNetwork", "azure-native:privatedns:getPrivateZone"
SMALL = [{"name": name, "addressPrefix": "10.0.0.0/29"} for name in ("nodes", "api", "endpoints")]
LACKING: dict[str, tuple[dict[str, Any], dict[str, Any], str, str, str]] = {
    "no VPC": (AWS, {VPC: None}, "aws.network.vpc_id", "no such VPC in us-west-2", "aws ec2 describe-vpcs"),
    "no DNS names": (
        AWS,
        {VPC: {"enableDnsHostnames": False}},
        "aws.network.vpc_id",
        "enable-dns-hostnames is off",
        "aws ec2 modify-vpc-attribute --region us-west-2 --vpc-id vpc-0a1b2c3d --enable-dns-hostnames",
    ),
    "another network": (
        AWS,
        {VPC: {"cidrBlockAssociations": [{"cidrBlock": "10.64.0.0/16"}]}},
        "aws.network.vpc_id",
        "it has 10.64.0.0/16, and network of the region, 10.0.0.0/16, is not in that",
        "Set network of the region to 10.64.0.0/16",
    ),
    "no subnet": (AWS, {SUBNET: None}, PRIVATE, "no such subnet", "aws ec2 describe-subnets"),
    "subnet of another VPC": (
        AWS,
        {SUBNET: {"vpcId": "vpc-99999999"}},
        PRIVATE,
        "it is in vpc-99999999",
        "in us-west-2a",
    ),
    "subnet of another zone": (
        AWS,
        {SUBNET: {"availabilityZone": "us-west-2d"}},
        PUBLIC,
        "it is in us-west-2d",
        "Name a",
    ),
    "no tag": (AWS, {SUBNET: {"tags": {}}}, PRIVATE, "kubernetes.io/role/internal-elb", "aws ec2 create-tags"),
    "no tag of a public subnet": (AWS, {SUBNET: {"tags": {}}}, PUBLIC, "kubernetes.io/role/elb", "aws ec2 create-tags"),
    "no free addresses": (AWS, {SUBNET: ROOM | {"availableIpAddressCount": 3}}, PUBLIC, "3 free addresses", "larger"),
    "too small": (
        AWS,
        {SUBNET: {"availableIpAddressCount": 11, "cidrBlock": "10.0.0.0/28"}},
        PRIVATE,
        "it has 11 addresses (10.0.0.0/28)",
        "lower workers.maximum",
    ),
    "no internet": (
        AWS,
        {ROUTES: {"routes": [NAT]}},
        PUBLIC,
        "no route to an internet gateway",
        "aws ec2 create-route",
    ),
    "nodes on the internet": (AWS, {ROUTES: {"routes": [INTERNET]}}, PRIVATE, "routes to an internet gateway", "NAT"),
    "no S3": (
        AWS,
        {ROUTES: {"routes": []}, ENDPOINT: {"routeTableIds": []}},
        PRIVATE,
        "neither a default route nor an S3 endpoint",
        "aws ec2 create-vpc-endpoint",
    ),
    "no endpoints": (AWS, {ROUTES: {"routes": []}, ENDPOINT: None}, PRIVATE, "autoscaling, ec2", "NAT gateway"),
    "no shared network": (GCP, {SHARED: None}, "gcp.network.network", "no such network", "--project acme-host"),
    "no peering": (GCP, {PEERING: None}, "gcp.network.network", "not peered", "gcloud services vpc-peerings connect"),
    "no subnet of a shared network": (GCP, {NODES: None}, "gcp.network.subnet", "no such subnet", "subnets list"),
    "no private access": (
        GCP,
        {NODES: {"privateIpGoogleAccess": False}},
        "gcp.network.subnet",
        "private access to Google Cloud is off",
        "--enable-private-ip-google-access",
    ),
    "subnet of another network": (
        GCP,
        {NODES: {"network": "https://www.googleapis.com/compute/v1/projects/acme-host/global/networks/other"}},
        "gcp.network.subnet",
        "it is in the network acme-host/global/networks/other",
        "Name a subnet of projects/acme-host/global/networks/shared",
    ),
    "primary range": (
        GCP,
        {NODES: {"ipCidrRange": "192.168.0.0/24"}},
        "gcp.network.subnet",
        "its primary range is 192.168.0.0/24",
        "contains 192.168.0.0/24",
    ),
    "no services range": (
        GCP,
        {NODES: {"secondaryIpRanges": RANGES}},
        "gcp.network.services_range",
        "the subnet's secondary ranges are: gke-pods",
        "--add-secondary-ranges gke-services=",
    ),
    "few pods": (
        GCP,
        {NODES: {"secondaryIpRanges": RANGES}},
        "gcp.network.pods_range",
        "it has 16 addresses",
        "larger",
    ),
    "no virtual network": (AZURE, {VNET: None}, "azure.network.vnet_id", "no such virtual network", "az network vnet"),
    "elsewhere": (AZURE, {VNET: {"location": "mars"}}, "azure.network.vnet_id", "it is in mars", "Name a network in"),
    "no nodes subnet": (
        AZURE,
        {VNET: {"subnets": []}},
        "azure.network.nodes_subnet",
        "subnets are: none",
        "subnet list",
    ),
    "no NAT": (AZURE, {VNET: {"subnets": SMALL}}, "azure.network.nodes_subnet", "no NAT gateway", "--nat-gateway"),
    "not delegated": (
        AZURE,
        {VNET: {"subnets": SMALL}},
        "azure.network.api_server_subnet",
        "delegated",
        "--delegations",
    ),
    "small subnet": (AZURE, {VNET: {"subnets": SMALL}}, "azure.network.endpoints_subnet", "8 addresses", "larger"),
    "no DNS zone": (AZURE, {ZONE: None}, "azure.network.private_dns_group", "no such private DNS zone", "az network"),
    "no link": (
        AZURE,
        {ZONE: {"numberOfVirtualNetworkLinks": 0}},
        "azure.network.private_dns_group",
        "is linked to no network",
        "az network private-dns link vnet create",
    ),
}


@pytest.mark.parametrize(("values", "answers", "path", "rule", "fix"), LACKING.values(), ids=LACKING)
def test_a_network_that_lacks_something_is_refused_before_anything_is_declared(
    values: dict[str, Any], answers: dict[str, Any], path: str, rule: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, answers)
    problems = find_missing(values)
    assert path in problems
    found = [str(item) for item in problems.values()]
    assert any(path in item and rule in item and fix in item for item in found), found


def test_all_that_is_missing_is_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {VPC: None, SUBNET: None})
    assert len(find_missing(AWS)) == 7


def test_a_network_with_everything_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    role = {f"kubernetes.io/role/{name}": "1" for name in ("elb", "internal-elb")}
    answer(
        monkeypatch,
        {
            SUBNET: ROOM | {"tags": role, "vpcId": "vpc-0a1b2c3d"},
            VPC: {"cidrBlockAssociations": [{"cidrBlock": "10.0.0.0/8"}]},
        },
    )
    assert deploy(AWS).of(StepOp.CREATE)


OFFLINE: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "another cloud": (AWS, {"regions.0.existing": {"gcp": {}}}, "gcp", "the region is on aws"),
    "no id": (AWS, {"regions.0.existing.aws.network.vpc_id": "my-vpc"}, "aws.network.vpc_id", "a VPC id is vpc- and"),
    "a zone without a subnet": (
        AWS,
        {"regions.0.existing.aws.network.public_subnets": {"us-west-2a": "subnet-1111111a"}},
        "aws.network.public_subnets.us-west-2b",
        "each zone of the region needs a subnet",
    ),
    "a zone of no region": (
        AWS,
        {"regions.0.existing.aws.network.private_subnets.us-west-2d": "subnet-0000000d"},
        "aws.network.private_subnets.us-west-2d",
        "us-west-2d is not in zones of the region",
    ),
    "one subnet twice": (
        AWS,
        {"regions.0.existing.aws.network.public_subnets.us-west-2a": "subnet-0000000a"},
        "aws.network.public_subnets.us-west-2a",
        "private_subnets.us-west-2a has this subnet",
    ),
    "a subnet elsewhere": (
        GCP,
        {"regions.0.existing.gcp.network.subnet": "projects/acme-host/regions/europe-west4/subnetworks/nodes"},
        "gcp.network.subnet",
        "it is in europe-west4",
    ),
    "a subnet of another project": (
        GCP,
        {"regions.0.existing.gcp.network.network": "projects/acme-other/global/networks/shared"},
        "gcp.network.subnet",
        "it is in the project acme-host, and its network in acme-other",
    ),
    "one range twice": (
        GCP,
        {"regions.0.existing.gcp.network.services_range": "gke-pods"},
        "gcp.network.services_range",
        "a range each",
    ),
    "another subscription": (
        AZURE,
        {
            "regions.0.existing.azure.network.private_dns_group": HUB.replace(
                HUB.split("/")[2], "1" * 8 + HUB.split("/")[2][8:]
            )
        },
        "azure.network.private_dns_group",
        "accounts.azure_subscription_id is",
    ),
    "one Azure subnet twice": (
        AZURE,
        {"regions.0.existing.azure.network.endpoints_subnet": "nodes"},
        "azure.network.endpoints_subnet",
        "nodes_subnet is this subnet too",
    ),
}


@pytest.mark.parametrize(("values", "changes", "path", "rule"), OFFLINE.values(), ids=OFFLINE)
def test_ids_are_checked_offline(values: dict[str, Any], changes: dict[str, Any], path: str, rule: str) -> None:
    problems = find_problems(change(values, changes))
    assert rule in problems[f"regions[{values['regions'][0]['name']}].existing.{path}"].rule


@pytest.mark.parametrize(("block", "cloud"), enumerate(CLOUDS))
def test_the_documented_networks_are_accepted(block: int, cloud: str) -> None:
    text = (ROOT / "docs/existing-resources.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[block])["regions"][0]
    values = CLOUDS[cloud]
    first = values["regions"][0] | {"existing": {}} | shown
    config = load(change(values, {"regions.0": first}))
    assert isinstance(config, CloudEnvironment)
    assert getattr(config.regions[0].existing, cloud).network is not None


def _network(values: dict[str, Any], cloud: str) -> dict[str, Any]:
    return values["regions"][0]["existing"][cloud]["network"]
