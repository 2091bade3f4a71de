"""A region as an environment gets it: every part, with what the parts need of each other."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.catalog import FabricKind
from novacron_infra.errors import ArgumentError
from novacron_infra.gcp.network import plan_addresses
from novacron_infra.gcp.region import GcpRegion, GcpRegionArgs
from novacron_infra.stores import ManagedNfsStore, NfsStore, S3Store

from tests.unit.gcp import samples
from tests.unit.gcp.gcp_api import problems
from tests.unit.gcp.graph import declare
from tests.unit.graph import Graph, violations

NAME = "prod-us-central1"
POOL, PROJECT_GRANT = "gcp:container/nodePool:NodePool", "gcp:projects/iAMMember:IAMMember"


def region_args(project: str = "acme-prod", **changes: Any) -> GcpRegionArgs:
    return GcpRegionArgs(spec=replace(samples.SPEC, **changes), project=project)


@pytest.fixture(scope="module")
def region() -> Graph:
    return declare(lambda opts: GcpRegion(NAME, samples.GCP_REGION, opts).results.export())


def test_google_takes_every_part_and_no_policy_is_violated(region: Graph) -> None:
    assert [problem for item in region.custom for problem in problems(item)] == []
    assert [message for item in region.custom for message in violations(item)] == []


def test_everything_uses_the_provider_that_is_passed(region: Graph) -> None:
    assert {item.provider.split("::")[-2] for item in region.custom} == {"explicit"}
    assert {provider.split("::")[-2] for _, provider in region.invokes} == {"explicit"}


def test_what_it_tells(region: Graph) -> None:
    told = region.result
    assert told["cluster"] == NAME
    assert told["model_store"] == "gs://novacron-models/models"
    assert told["worker_identity"] == f"{NAME}-llm-workers@acme-prod.iam.gserviceaccount.com"
    assert told["postgres_endpoint"] == "10.0.240.3:5432"
    assert told["postgres_secret"] == f"projects/acme-prod/{NAME}-postgres-login"
    assert told["redis_endpoint"] == "10.0.128.7"
    assert told["ingress_address"] == "203.0.113.7"
    assert told["registry"] == "us-central1-docker.pkg.dev/acme-prod/prod-novacron"


def test_workers_read_the_models_and_nothing_else(region: Graph) -> None:
    member = f"serviceAccount:{NAME}-llm-workers@acme-prod.iam.gserviceaccount.com"
    (grant,) = [item for item in region.custom if item.inputs.get("member") == member]
    assert (grant.inputs["bucket"], grant.inputs["role"]) == ("novacron-models", "roles/storage.objectViewer")
    assert "projects/_/buckets/novacron-models/objects/models/" in grant.inputs["condition"]["expression"]


def with_nfs(export: str | None) -> Graph:
    args = region_args(store=ManagedNfsStore() if export is None else NfsStore(export=export))
    return declare(lambda opts: GcpRegion(NAME, args, opts).results.export())


def test_model_store_can_be_filestore() -> None:
    graph = with_nfs(None)
    assert graph.result["model_store"] == "nfs://10.0.240.7/models/models"
    files = graph.one("gcp:filestore/instance:Instance")
    assert (files.inputs["location"], files.protect) == (samples.SPEC.zones[0], True)
    assert files.inputs["fileShares"]["capacityGb"] == 7_936
    cluster = graph.one("gcp:container/cluster:Cluster").inputs
    assert cluster["addonsConfig"]["gcpFilestoreCsiDriverConfig"] == {"enabled": True}
    assert [problem for item in graph.custom for problem in problems(item)] == []
    assert [message for item in graph.custom for message in violations(item)] == []
    agents = [item.inputs["member"] for item in graph.of("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember")]
    assert any("@cloud-filer" in agent for agent in agents)


@pytest.mark.parametrize("export", [None, "files.acme.com:/export"])
def test_region_with_a_file_store_has_no_bucket_and_no_role_for_one(export: str | None) -> None:
    graph = with_nfs(export)
    assert graph.of("gcp:storage/bucket:Bucket") == []
    assert graph.of("gcp:storage/bucketIAMMember:BucketIAMMember") == []
    assert graph.result["worker_identity"]


def test_for_an_nfs_server_that_exists_nothing_is_made() -> None:
    graph = with_nfs("files.acme.com:/export")
    assert graph.result["model_store"] == "nfs://files.acme.com/export/models"
    assert graph.of("gcp:filestore/instance:Instance") == []


def test_coordinators_sign_in_to_both_databases_and_do_nothing_else(region: Graph) -> None:
    email = region.result["coordinator_identity"]
    roles = {item.inputs["role"] for item in region.custom if item.inputs.get("member") == f"serviceAccount:{email}"}
    assert roles == {"roles/secretmanager.secretAccessor", "roles/redis.dbConnectionUser"}


def test_admins_of_two_regions_are_granted_apart(region: Graph) -> None:
    (grant,) = [item for item in region.of(PROJECT_GRANT) if item.inputs["member"] == "group:operators@example.com"]
    assert grant.inputs["role"] == "roles/container.admin"
    assert grant.inputs["condition"]["title"] == NAME


def test_pools_are_called_by_their_role_in_the_cluster(region: Graph) -> None:
    names = {item.parent: item.name.rpartition("-")[0] for item in region.of(POOL)}
    assert names == {f"{NAME}-coordinators": "coordinators-nodes", f"{NAME}-workers": "workers-nodes"}


def test_workers_have_their_fabric_within_the_addresses_of_the_region(region: Graph) -> None:
    (workers,) = [item for item in region.of(POOL) if "workers" in item.name]
    interfaces = workers.inputs["networkConfig"]["additionalNodeNetworkConfigs"]
    assert len(interfaces) == 9
    fabric = ipaddress.IPv4Network(plan_addresses(samples.SPEC.network).fabric)
    subnets = [item for item in region.of("gcp:compute/subnetwork:Subnetwork") if item.parent == f"{NAME}-workers"]
    assert all(ipaddress.IPv4Network(item.inputs["ipCidrRange"]).subnet_of(fabric) for item in subnets)


def test_fabrics_of_two_pools_have_addresses_of_their_own() -> None:
    more = replace(samples.SHAPES["tcpxo"], fabric=FabricKind.TCPXO)
    args = region_args(pools={**samples.SPEC.pools, "large": more})
    graph = declare(lambda opts: GcpRegion(NAME, args, opts).results.cluster)
    cidrs = [
        ipaddress.IPv4Network(item.inputs["ipCidrRange"]) for item in graph.of("gcp:compute/subnetwork:Subnetwork")
    ]
    assert len(cidrs) == 1 + 9 + 8
    assert not any(a.overlaps(b) for index, a in enumerate(cidrs) for b in cidrs[:index])


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.64.0.0/12", "192.168.0.0/18"])
def test_databases_have_addresses_that_nothing_else_in_the_network_has(cidr: str) -> None:
    plan = plan_addresses(ipaddress.IPv4Network(cidr))
    peered = ipaddress.IPv4Network(plan.google_services)
    assert peered.prefixlen <= 24  # what Cloud SQL takes for a region
    others = (plan.pods, plan.nodes, plan.fabric, plan.services)
    assert not any(peered.overlaps(ipaddress.IPv4Network(other)) for other in others)


@pytest.mark.parametrize("protect", [True, False])
def test_what_cannot_be_made_again_is_protected_as_asked(protect: bool) -> None:
    args = region_args(protect=protect)
    graph = declare(lambda opts: GcpRegion(NAME, args, opts).results.cluster)
    kept = {item.type.rpartition(":")[2] for item in graph.custom if item.protect}
    expected = {"KeyRing", "CryptoKey", "Bucket", "DatabaseInstance", "Repository", "Address"}
    assert kept == (expected if protect else set())


def test_one_redis_node_is_a_cluster_of_one_shard() -> None:
    args = region_args(redis_nodes=1)
    inputs = declare(lambda opts: GcpRegion(NAME, args, opts).results.cluster).one("gcp:redis/cluster:Cluster").inputs
    assert (inputs["shardCount"], inputs["replicaCount"]) == (1, 0)


def test_the_longest_names_of_regions_fit() -> None:
    name = "staging-northamerica-northeast1"
    zones = tuple(f"northamerica-northeast1-{letter}" for letter in "abc")
    pools = {pool: replace(shape, zones=zones[: len(shape.zones)]) for pool, shape in samples.SPEC.pools.items()}
    args = region_args(region="northamerica-northeast1", zones=zones, pools=pools)
    graph = declare(lambda opts: GcpRegion(name, args, opts).results.cluster)
    assert graph.result == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"project": "123456789012"}, f'{NAME}.project = "123456789012": a project\'s id has 6 to 30'),
        (
            {"admins": ("ann@example.com",)},
            f"{NAME}.admins.0 = ann@example.com: it does not say what kind of account it is",
        ),
        (
            {"admins": ("user:ann@example.com", "group:ops")},
            f"{NAME}.admins.1 = group:ops: an administrator on Google Cloud is user:",
        ),
        ({"network": ipaddress.IPv4Network("8.8.0.0/16")}, f"{NAME}.cidr = 8.8.0.0/16: it is not in a private range"),
        ({"store": S3Store(bucket="models")}, f"{NAME}.store = S3Store: Google Cloud has no such model store"),
        ({"zones": ("us-east1-b",)}, f"{NAME}.zones.0 = us-east1-b: it is not a zone of us-central1"),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else "",
)
def test_what_a_region_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda opts: GcpRegion(NAME, region_args(**changes), opts).results.export())
    assert message in str(error.value)
