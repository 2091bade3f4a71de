"""The graphs of keys, networks and cluster: what a user relies on, and what is refused before anything exists."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from novacron_infra.errors import ArgumentError
from novacron_infra.gcp import GcpFabric, GcpKeys, GcpKeysArgs, GcpNetwork, GkeCluster, ReleaseChannel
from novacron_infra.gcp.network import plan_addresses
from novacron_infra.tags import Tags

from tests.unit.gcp import samples
from tests.unit.gcp.graph import PROJECT_NUMBER, declare
from tests.unit.graph import Graph

NETWORK, SUBNET = "gcp:compute/network:Network", "gcp:compute/subnetwork:Subnetwork"
CLUSTER = "gcp:container/cluster:Cluster"


def test_everything_uses_the_given_provider_and_has_its_component_as_parent(region: Graph) -> None:
    assert {item.provider.split("::")[-2] for item in region.custom} == {"explicit"}
    assert {provider.split("::")[-2] for _, provider in region.invokes} == {"explicit"}
    components = {item.name for item in region.resources if item.type.startswith("novacron:")}
    assert {item.parent for item in region.custom} == components
    assert all(item.name.startswith(f"{item.parent}-") for item in region.custom)


def test_everything_that_takes_labels_has_them(region: Graph) -> None:
    no_labels = {
        "gcp:compute/firewall:Firewall",
        NETWORK,
        "gcp:compute/router:Router",
        "gcp:compute/routerNat:RouterNat",
        SUBNET,
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        "gcp:kms/keyRing:KeyRing",
        "gcp:projects/iAMMember:IAMMember",
        "gcp:pubsub/topicIAMMember:TopicIAMMember",
        "gcp:securitycenter/notificationServiceAccount:NotificationServiceAccount",
        "gcp:securitycenter/v2ProjectNotificationConfig:V2ProjectNotificationConfig",
        "gcp:projects/serviceIdentity:ServiceIdentity",
        "gcp:secretmanager/secretVersion:SecretVersion",
        "gcp:serviceaccount/account:Account",
        "gcp:serviceaccount/iAMMember:IAMMember",
        "gcp:servicenetworking/connection:Connection",
        "gcp:sql/database:Database",
        "gcp:sql/user:User",
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        "gcp:storage/transferJob:TransferJob",
    }

    def labels(inputs: dict[str, Any]) -> dict[str, str]:
        named = inputs.get("userLabels") or inputs.get("labels") or inputs.get("resourceLabels")
        return named or inputs.get("settings", {}).get("userLabels") or inputs["nodeConfig"]["resourceLabels"]

    unlabelled = [
        item.name
        for item in region.custom
        if item.type not in no_labels and not {"environment", "project", "component"} <= set(labels(item.inputs))
    ]
    assert unlabelled == []
    assert region.one(CLUSTER).inputs["resourceLabels"]["component"] == "cluster"


def test_keys_rotate_every_30_days_and_are_protected(region: Graph) -> None:
    keys = region.of("gcp:kms/cryptoKey:CryptoKey")
    assert {key.name for key in keys} == {"keys-cluster", "keys-storage"}
    assert all(key.protect for key in [*keys, region.one("gcp:kms/keyRing:KeyRing")])
    month = f"{30 * 24 * 3600}s"
    assert {(key.inputs["rotationPeriod"], key.inputs["destroyScheduledDuration"]) for key in keys} == {(month, month)}


def granted(graph: Graph) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for grant in graph.of("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember"):
        key = grant.inputs["cryptoKeyId"].rpartition("/")[2]
        found.setdefault(key, set()).add(grant.inputs["member"].partition("@")[2])
        assert grant.inputs["member"].startswith(f"serviceAccount:service-{PROJECT_NUMBER}@")
        assert grant.inputs["role"] == "roles/cloudkms.cryptoKeyEncrypterDecrypter"
    return {key: {domain.partition(".")[0] for domain in domains} for key, domains in found.items()}


def test_each_key_is_for_the_services_that_need_it(region: Graph) -> None:
    assert granted(region) == {
        "keys-cluster": {"container-engine-robot"},
        "keys-storage": {
            "compute-system",
            "gs-project-accounts",
            "cloud-filer",
            "gcp-sa-lustre",
            "gcp-sa-cloud-sql",
            "cloud-redis",
            "gcp-sa-secretmanager",
            "gcp-sa-artifactregistry",
            "gcp-sa-pubsub",
        },
    }
    lustre = region.one("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", "keys-storage-gcp-sa-lustre")
    assert "keys-gcp-sa-lustre" in lustre.dependencies  # the account is made first


def test_services_that_are_not_asked_for_get_no_key() -> None:
    plain = GcpKeysArgs(location=samples.REGION, tags=samples.TAGS)
    graph = declare(lambda opts: list(GcpKeys("keys", plain, opts).keys))
    assert granted(graph)["keys-storage"] == {"compute-system", "gs-project-accounts"}
    identities = {item.inputs["service"] for item in graph.of("gcp:projects/serviceIdentity:ServiceIdentity")}
    assert identities == {"container.googleapis.com"}


def test_users_of_a_key_depend_on_its_grants(region: Graph) -> None:
    assert "keys-cluster-container-engine-robot" in region.one(CLUSTER).dependencies
    for pool in region.of("gcp:container/nodePool:NodePool"):
        assert pool.parent == "automatic" or "keys-storage-compute-system" in pool.dependencies


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.64.0.0/12", "192.168.0.0/18"])
def test_address_ranges_are_in_the_network_and_do_not_overlap(cidr: str) -> None:
    plan = plan_addresses(IPv4Network(cidr))
    parts = [
        ipaddress.IPv4Network(text)
        for text in (plan.pods, plan.nodes, plan.fabric, plan.services, plan.google_services)
    ]
    assert all(part.subnet_of(ipaddress.IPv4Network(cidr)) for part in parts)
    assert not any(a.overlaps(b) for index, a in enumerate(parts) for b in parts[:index])
    assert sum(part.num_addresses for part in parts) == ipaddress.IPv4Network(cidr).num_addresses


def test_pods_of_every_node_have_addresses() -> None:
    pods = ipaddress.IPv4Network(plan_addresses(samples.NETWORK.cidr).pods)
    of_a_node = 2 * samples.CLUSTER.max_pods_per_node
    assert pods.num_addresses // of_a_node >= 256


def test_nodes_are_private_logged_and_leave_by_nat(region: Graph) -> None:
    subnet = region.one(SUBNET, "network-nodes").inputs
    assert subnet["privateIpGoogleAccess"] is True
    assert subnet["logConfig"] == {
        "aggregationInterval": "INTERVAL_1_MIN",
        "flowSampling": 1.0,
        "metadata": "INCLUDE_ALL_METADATA",
    }
    assert [item["rangeName"] for item in subnet["secondaryIpRanges"]] == ["pods", "services"]
    nat = region.one("gcp:compute/routerNat:RouterNat")
    assert nat.inputs["sourceSubnetworkIpRangesToNat"] == "ALL_SUBNETWORKS_ALL_IP_RANGES"
    assert not any(item.inputs["autoCreateSubnetworks"] for item in region.of(NETWORK))
    cluster = region.one(CLUSTER)
    assert nat.name in cluster.dependencies
    assert cluster.inputs["ipAllocationPolicy"] == {
        "clusterSecondaryRangeName": "pods",
        "servicesSecondaryRangeName": "services",
    }


def test_what_google_runs_for_us_waits_for_the_peering(region: Graph) -> None:
    connection = region.one("gcp:servicenetworking/connection:Connection")
    assert connection.inputs["reservedPeeringRanges"] == ["network-google-services"]
    for type_ in (
        "gcp:lustre/instance:Instance",
        "gcp:filestore/instance:Instance",
        "gcp:sql/databaseInstance:DatabaseInstance",
    ):
        assert connection.name in region.one(type_).dependencies


def fabric_of(machine: str) -> str:
    return f"fabric-{list(samples.FABRICS).index(machine)}"


@pytest.mark.parametrize(("machine", "count"), [("a3-highgpu-8g", 4), ("a3-megagpu-8g", 8)])
def test_gpudirect_tcp_has_a_network_for_each_interface(region: Graph, machine: str, count: int) -> None:
    networks = [item for item in region.of(NETWORK) if item.parent == fabric_of(machine)]
    subnets = [item for item in region.of(SUBNET) if item.parent == fabric_of(machine)]
    assert len(networks) == len(subnets) == len({item.inputs["network"] for item in subnets}) == count
    assert {item.inputs["mtu"] for item in networks} == {8244}
    assert not any("networkProfile" in item.inputs for item in networks)


@pytest.mark.parametrize("machine", ["a3-ultragpu-8g", "a4-highgpu-8g"])
def test_roce_has_an_rdma_network_of_its_zone_and_an_ordinary_one(region: Graph, machine: str) -> None:
    name = fabric_of(machine)
    rdma, ordinary = region.one(NETWORK, f"{name}-rdma").inputs, region.one(NETWORK, f"{name}-gvnic").inputs
    assert (rdma["mtu"], ordinary["mtu"]) == (8896, 8896)
    assert rdma["networkProfile"] == "projects/acme-prod/global/networkProfiles/us-central1-b-vpc-roce"
    assert "networkProfile" not in ordinary
    subnets = [item.inputs for item in region.of(SUBNET) if item.name.startswith(f"{name}-rdma-")]
    assert len(subnets) == 8
    assert not any({"logConfig", "privateIpGoogleAccess"} & set(item) for item in subnets)


def test_the_interfaces_of_all_fabrics_have_addresses_of_their_own(region: Graph) -> None:
    cidrs = [ipaddress.IPv4Network(item.inputs["ipCidrRange"]) for item in region.of(SUBNET)]
    assert len(cidrs) == 1 + 4 + 8 + 9 + 9
    assert not any(a.overlaps(b) for index, a in enumerate(cidrs) for b in cidrs[:index])


def test_only_members_of_a_fabric_reach_each_other(region: Graph) -> None:
    rules = region.of("gcp:compute/firewall:Firewall")
    assert len(rules) == 4 + 8 + 1 + 1
    for rule in rules:
        index = int(rule.parent.rpartition("-")[2])
        assert rule.inputs["sourceRanges"] == [f"10.{index + 1}.0.0/19"]
        assert [item["protocol"] for item in rule.inputs["allows"]] == ["tcp", "udp", "icmp"]


def test_the_cluster_is_private_encrypted_and_logged(region: Graph) -> None:
    cluster = region.one(CLUSTER)
    inputs = cluster.inputs
    assert inputs["privateClusterConfig"] == {"enablePrivateNodes": True, "enablePrivateEndpoint": True}
    assert inputs["masterAuthorizedNetworksConfig"] == {
        "cidrBlocks": [],
        "gcpPublicCidrsAccessEnabled": False,
        "privateEndpointEnforcementEnabled": True,
    }
    assert inputs["controlPlaneEndpointsConfig"] == {"dnsEndpointConfig": {"allowExternalTraffic": False}}
    assert inputs["databaseEncryption"] == {"state": "ENCRYPTED", "keyName": "projects/acme-prod/keys-cluster"}
    components = {"SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER", "SCHEDULER", "CONTROLLER_MANAGER"}
    assert set(inputs["loggingConfig"]["enableComponents"]) == components
    assert inputs["monitoringConfig"]["managedPrometheus"] == {"enabled": True}
    assert inputs["deletionProtection"] is True


def test_the_cluster_enforces_network_policies_and_has_no_pool_of_its_own(region: Graph) -> None:
    inputs = region.one(CLUSTER).inputs
    assert (inputs["datapathProvider"], inputs["enableMultiNetworking"]) == ("ADVANCED_DATAPATH", True)
    assert inputs["removeDefaultNodePool"] is True
    assert not {"nodePools", "nodeConfig", "networkPolicy"} & set(inputs)
    assert inputs["releaseChannel"] == {"channel": "REGULAR"}
    assert inputs["workloadIdentityConfig"] == {"workloadPool": "acme-prod.svc.id.goog"}
    assert region.result["workload_pool"] == "acme-prod.svc.id.goog"


def test_drivers_of_file_systems_are_there_where_asked_for() -> None:
    graph = declare(lambda opts: GkeCluster("prod", samples.CLUSTER, opts).name)
    addons = graph.one(CLUSTER).inputs["addonsConfig"]
    assert addons == {
        "gcePersistentDiskCsiDriverConfig": {"enabled": True},
        "gcsFuseCsiDriverConfig": {"enabled": True},
        "gcpFilestoreCsiDriverConfig": {"enabled": False},
        "lustreCsiDriverConfig": {"enabled": False},
    }


def test_the_cluster_is_open_to_the_named_networks_only() -> None:
    args = replace(
        samples.CLUSTER, public_cidrs=(IPv4Network("203.0.113.0/24"),), private_cidrs=(IPv4Network("10.200.0.0/16"),)
    )
    graph = declare(lambda opts: GkeCluster("prod", args, opts).name)
    inputs = graph.one(CLUSTER).inputs
    assert inputs["privateClusterConfig"] == {"enablePrivateNodes": True, "enablePrivateEndpoint": False}
    networks = inputs["masterAuthorizedNetworksConfig"]
    assert networks["cidrBlocks"] == [{"cidrBlock": "203.0.113.0/24"}, {"cidrBlock": "10.200.0.0/16"}]
    assert networks["gcpPublicCidrsAccessEnabled"] is False


def test_vpn_networks_do_not_open_the_cluster() -> None:
    args = replace(
        samples.CLUSTER,
        private_cidrs=(IPv4Network("10.200.0.0/16"),),
        security_group="gke-security-groups@example.com",
        release_channel=ReleaseChannel.STABLE,
    )
    inputs = declare(lambda opts: GkeCluster("prod", args, opts).name).one(CLUSTER).inputs
    assert inputs["privateClusterConfig"]["enablePrivateEndpoint"] is True
    assert inputs["authenticatorGroupsConfig"] == {"securityGroup": "gke-security-groups@example.com"}
    assert inputs["releaseChannel"] == {"channel": "STABLE"}


def test_nodes_are_an_account_of_their_own_that_may_little(region: Graph) -> None:
    nodes = "serviceAccount:prod-nodes@acme-prod.iam.gserviceaccount.com"
    grants = [item for item in region.of("gcp:projects/iAMMember:IAMMember") if item.inputs["member"] == nodes]
    assert {item.inputs["role"] for item in grants} == {
        "roles/container.defaultNodeServiceAccount",
        "roles/artifactregistry.reader",
    }
    for pool in region.of("gcp:container/nodePool:NodePool"):
        assert pool.parent == "automatic" or {item.name for item in grants} <= set(pool.dependencies)


def test_the_kubeconfig_signs_in_through_googles_plugin(region: Graph) -> None:
    config = json.loads(region.result["kubeconfig"])
    (user,) = config["users"]
    plugin = user["user"]["exec"]
    assert (plugin["command"], plugin["provideClusterInfo"]) == ("gke-gcloud-auth-plugin", True)
    assert config["clusters"][0]["cluster"] == {
        "server": "https://10.0.128.2",
        "certificate-authority-data": "Q0E=",
    }
    assert config["current-context"] == config["contexts"][0]["name"] == "prod"


def keys(name: str = "keys", **changes: Any) -> None:
    GcpKeys(name, replace(samples.KEYS, **changes))


def network(name: str = "network", **changes: Any) -> None:
    GcpNetwork(name, replace(samples.NETWORK, **changes))


def fabric(name: str = "fabric", **changes: Any) -> None:
    GcpFabric(name, replace(samples.FABRIC, **changes))


def cluster(name: str = "prod", **changes: Any) -> None:
    GkeCluster(name, replace(samples.CLUSTER, **changes))


@pytest.mark.parametrize(
    ("component", "changes", "message"),
    [
        (keys, {"rotation_days": 0}, "keys.rotation_days = 0: KMS accepts 1 to 36500 days. Use 1"),
        (keys, {"deletion_window_days": 121}, "keys.deletion_window_days = 121: KMS accepts 1 to 120 days. Use 120"),
        (keys, {"name": "x" * 65}, "it has 65 characters, and names made from it may have 39"),
        (keys, {"name": "Prod_1"}, "name = Prod_1: names are lower-case letters, digits and -"),
        (
            keys,
            {"tags": Tags(environment="prod", more={"owner": "a@example.com"})},
            "keys.tags.owner = a@example.com: a label's value on Google Cloud has",
        ),
        (
            network,
            {"cidr": IPv4Network("8.8.0.0/16")},
            "network.cidr = 8.8.0.0/16: it is not in a private range",
        ),
        (
            network,
            {"cidr": IPv4Network("10.0.0.0/20")},
            "network.cidr = 10.0.0.0/20: a region's network on gcp is /16 to /18",
        ),
        (fabric, {"zone": "us-east1-b"}, "fabric.zone = us-east1-b: it is not a zone of us-central1"),
        (fabric, {"machine": "a3-highgpu-1g"}, "fabric.machine = a3-highgpu-1g: a3-highgpu-1g has no fabric"),
        (fabric, {"machine": "a9-gpu"}, "fabric.machine = a9-gpu: machine 'a9-gpu' is not in the catalogue"),
        (
            fabric,
            {"cidr": IPv4Network("10.0.0.0/26")},
            "fabric.cidr = 10.0.0.0/26: it must be private and at least a /25",
        ),
        (cluster, {"zones": ()}, "prod.zones = none: a cluster has at least one zone"),
        (cluster, {"zones": ("us-east1-b",)}, "prod.zones.0 = us-east1-b: it is not a zone of us-central1"),
        (
            cluster,
            {"public_cidrs": (IPv4Network("0.0.0.0/0"),)},
            "prod.public_cidrs.0 = 0.0.0.0/0: it is wider than /8",
        ),
        (
            cluster,
            {"public_cidrs": (IPv4Network("203.0.113.0/24"), IPv4Network("128.0.0.0/1"))},
            "prod.public_cidrs.1 = 128.0.0.0/1",
        ),
        (
            cluster,
            {"private_cidrs": (IPv4Network("8.8.8.0/24"),)},
            "prod.private_cidrs.0 = 8.8.8.0/24: it is a public network",
        ),
        (
            cluster,
            {"kubernetes_version": "1.35.2"},
            "prod.kubernetes_version = 1.35.2: it names a patch, which the cloud chooses",
        ),
        (cluster, {"max_pods_per_node": 300}, "prod.max_pods_per_node = 300: GKE runs 8 to 256 pods on a node"),
        (cluster, {"security_group": "ops@example.com"}, "prod.security_group = ops@example.com: GKE reads one group"),
    ],
    ids=lambda value: str(next(iter(value)) if isinstance(value, dict) else getattr(value, "__name__", "")),
)
def test_bad_arguments_are_refused_before_anything_exists(
    component: Callable[..., object], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda _: component(**changes))
    assert message in str(error.value)
    assert len(error.value.problems) == 1


def test_all_problems_of_arguments_are_reported_together() -> None:
    with pytest.raises(ArgumentError, match="the arguments have 3 problems") as error:
        cluster("N", kubernetes_version="latest", zones=())
    assert [problem.path for problem in error.value.problems] == ["name", "N.zones", "N.kubernetes_version"]


def test_a_program_loads_the_sdk_of_its_own_cloud_only() -> None:
    code = (
        "import novacron_infra.gcp, sys; print(*(m for m in sys.modules if m.startswith('pulumi_') and '.' not in m))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert set(run.stdout.split()) == {"pulumi_gcp"}
