"""Bad input that only shows between a stack and its cloud: one error each, before anything is made.

What else is refused is tested where it lives: fields and their values in `test_config_environment`, a pool's choices in
each cloud's `test_capacity`, the global endpoint in `dns/test_dns_rules`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from novacron_infra import aws, azure, gcp
from novacron_infra.aws.databases import LONGEST_REDIS_NAME
from novacron_infra.catalog import machine, offer_lists
from novacron_infra.config import CloudEnvironment, EnvironmentName, Platform, load
from novacron_infra.config.region_rules import CLUSTER_NETWORKS, LONGEST_REGION_NAME
from novacron_infra.errors import ArgumentError, ConfigurationError
from novacron_infra.plan import EnvironmentPlan, describe, plan_environment

from tests.unit.aws import graph as aws_graph
from tests.unit.aws import samples as aws_samples
from tests.unit.azure import graph as azure_graph
from tests.unit.azure import samples as azure_samples
from tests.unit.gcp import graph as gcp_graph
from tests.unit.gcp import samples as gcp_samples

PROD = yaml.safe_load((Path(__file__).parents[2] / "Pulumi.prod.yaml").read_text(encoding="utf-8"))["config"][
    "novacron:environment"
]
ON_AZURE: dict[str, Any] = {
    "platform": "azure",
    "accounts": {"azure_subscription_id": "00000000-0000-0000-0000-000000000000"},
    "regions": [{"name": "westus3", "dns_label": "us", "weight": 1, "network": "10.0.0.0/16"}],
    "traffic": {"ttl_s": 60},
    "coordinators": PROD["coordinators"] | {"machine": "Standard_L80s_v3"},
    "workers": PROD["workers"] | {"machine": "Standard_ND96isr_H100_v5"},
    "storage": PROD["storage"] | {"machine": "Standard_L80s_v3"},
    "model": PROD["model"] | {"store": {"kind": "azure", "bucket": "novacron/models"}},
}


def prod(changes: dict[str, Any], base: dict[str, Any] | None = None) -> dict[str, Any]:
    """The production stack with other values at dotted paths."""
    values = copy.deepcopy(PROD | (base or {}))
    for path, value in changes.items():
        *parents, last = path.split(".")
        at: Any = values
        for step in parents:
            at = at[int(step)] if step.isdigit() else at[step]
        at[int(last) if last.isdigit() else last] = value
    return values


def planned(values: dict[str, Any]) -> EnvironmentPlan:
    config = load(values)
    assert isinstance(config, CloudEnvironment)
    return plan_environment(config)


def azure_stack(changes: dict[str, Any]) -> dict[str, Any]:
    return prod(changes, ON_AZURE)


LONG = "x" * 65
FILES = "fs-0123456789abcdef0"
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a machine that the region does not have": (
        azure_stack({"regions.0.name": "northeurope"}),
        "regions.0.name = northeurope: it has no Standard_ND96isr_H100_v5, which workers.machine asks for (Azure "
        "retail prices, as generated into Azure/karpenter-provider-azure (zz_generated.pricing.go), 2026-06-18). Take "
        "Standard_ND96isr_H200_v5, or take a region that has it, such as australiaeast, ",
    ),
    "a machine that the region of another cloud does not have": (
        prod(
            {
                "accounts": {"azure_subscription_id": "00000000-0000-0000-0000-000000000000"},
                "regions.2.name": "northeurope",
                "regions.2.zones": [],
                "regions.2.overrides": {
                    "platform": "azure",
                    "nearest": "eu-west-1",
                    "coordinators": "Standard_L80s_v3",
                    "workers": "Standard_ND96isr_H100_v5",
                    "storage": "Standard_L80s_v3",
                    "admins": ["33333333-3333-3333-3333-333333333333"],
                    "bucket": "novacron/models",
                },
            }
        ),
        "regions.2.name = northeurope: it has no Standard_ND96isr_H100_v5, which regions.2.overrides.workers asks for",
    ),
    "a nearest region that Amazon does not have": (
        prod(
            {
                "accounts": {"google_project": "novacron-prod"},
                "regions.2.name": "europe-west4",
                "regions.2.zones": ["europe-west4-b"],
                "regions.2.overrides": {
                    "platform": "gcp",
                    "nearest": "eu-central-3",
                    "coordinators": "c2-standard-60",
                    "workers": "a3-highgpu-8g",
                    "storage": "c2-standard-30",
                    "admins": ["group:operators@novacron.ai"],
                    "bucket": "novacron-models",
                },
            }
        ),
        "regions.2.overrides.nearest = eu-central-3: aws had no such region on 2026-11-25. Take ",
    ),
    "a replica's fabric of another machine": (
        prod({"workers.machine": "p6-b300.48xlarge", "workers.network_interfaces": 32}),
        "workers.network_interfaces = 32: no such key",
    ),
    "an environment of 65 characters": (prod({"environment": LONG}), "environment = "),
    "a region that Amazon does not have": (
        prod({"regions.1.name": "us-west-5", "regions.1.zones": ["us-west-5a", "us-west-5b"]}),
        "regions.1.name = us-west-5: aws had no such region on 2026-11-25. Take us-west-1 or us-west-2; if it was "
        "opened since, set regions.1.new to true",
    ),
    "a region that Azure does not have": (
        azure_stack({"regions.0.name": "westus4"}),
        "regions.0.name = westus4: azure had no such region on 2026-11-25. Take westus or westus2 or westus3; if it",
    ),
    "a region that is like no other": (
        azure_stack({"regions.0.name": "atlantis"}),
        "regions.0.name = atlantis: azure had no such region on 2026-11-25. Write it as westus2; if it was opened",
    ),
    "a region of 65 characters": (
        azure_stack({"regions.0.name": LONG}),
        f"regions.0.name = {LONG}: it has 65 characters, and no region's name has more than 24",
    ),
    "a regional label of 65 characters": (
        prod({"regions.1.dns_label": LONG}),
        f"regions.1.dns_label = {LONG}: 65 characters; a DNS label has 63 at most. Shorten it",
    ),
    "a domain with a label of 65 characters": (
        prod({"traffic.domain": f"{LONG}.novacron.ai"}),
        f"traffic.domain = {LONG}.novacron.ai: a label of 65 characters; DNS allows 63. Shorten it",
    ),
    "a domain that is none": (prod({"traffic.domain": "api_"}), "traffic.domain = api_: it is no DNS name in lower"),
    "a bucket of 65 characters": (
        prod({"model.store.bucket": LONG}),
        f"model.store.bucket = {LONG}: it is no name for s3",
    ),
    "a bucket whose copies have 65 characters": (
        prod({"model.store.bucket": "x" * 50}),
        f"model.store.bucket = {'x' * 50}: its copy {'x' * 50}-ap-southeast-1 has 65 characters and is "
        "no name for s3. Shorten it",
    ),
    "a storage account of 25 characters": (
        azure_stack({"model.store.bucket": "x" * 25 + "/models"}),
        f"model.store.bucket = {'x' * 25}/models: it is no name for azure",
    ),
    "a bucket with dots and acceleration": (
        prod({"model.store.bucket": "models.novacron.ai"}),
        "model.store.bucket = models.novacron.ai: it is no name for s3",
    ),
    "no bucket": (
        prod({"model.store": {"kind": "s3"}}),
        "model.store.bucket = missing: s3 needs a name. Write it as novacron-models",
    ),
    "EFS on Azure": (
        azure_stack({"model.store": {"kind": "efs"}}),
        "model.store.kind = efs: azure has no EFS. Use nfs",
    ),
    "an EFS file system that is none": (
        prod({"model.store": {"kind": "efs", "bucket": "models"}}),
        "model.store.bucket = models: it is no name for efs. Write it as fs-0123456789abcdef0",
    ),
    "a second region's EFS file system that is none": (
        prod({"model.store": {"kind": "efs"}, "regions.1.bucket": "models"}),
        "regions.1.bucket = models: it is no name for efs. Write it as fs-0123456789abcdef0",
    ),
    "two regions with one EFS file system": (
        prod({"model.store": {"kind": "efs", "bucket": FILES}, "regions.2.bucket": FILES}),
        f"regions.2.bucket = {FILES}: us-west-2 has it, and a file system is in one region. Give each its own",
    ),
    "an NFS server without an export": (
        azure_stack({"model.store": {"kind": "nfs", "bucket": "files.novacron.ai"}}),
        "model.store.bucket = files.novacron.ai: it is no name for nfs. Write it as server:/export",
    ),
    "NFS on Amazon without a server": (
        prod({"model.store": {"kind": "nfs"}}),
        "model.store.bucket = missing: aws makes no NFS server of this kind. Name one that exists, such as "
        "server:/export, or use efs",
    ),
    "a region's own S3 bucket": (
        prod({"regions.1.bucket": "novacron-east"}),
        "regions.1.bucket = novacron-east: each region's s3 bucket has a name made from model.store.bucket. Leave it",
    ),
    "the first region's NFS server as another's": (
        prod({"model.store": {"kind": "nfs", "bucket": "a:/b"}, "regions.0.bucket": "a:/c"}),
        "regions.0.bucket = a:/c: the first region's is that of the environment. Write it as model.store.bucket",
    ),
    "regions that overlap": (
        prod({"regions.2.network": "10.0.128.0/20"}),
        "regions.2.network = 10.0.128.0/20: it overlaps that of us-west-2. Give each region its own",
    ),
    "a region where services have their addresses": (
        prod({"regions.1.network": "172.20.0.0/20"}),
        "regions.1.network = 172.20.0.0/20: it overlaps the cluster's services 172.20.0.0/16. Write it as 10.1.0.0/16",
    ),
    "a region where Azure's pods have theirs": (
        azure_stack({"regions.0.network": "10.244.0.0/16"}),
        "regions.0.network = 10.244.0.0/16: it overlaps the cluster's pods 10.244.0.0/16",
    ),
    "weights that sum to 0": (
        prod({f"regions.{index}.weight": 0 for index in range(4)}),
        "regions = weights 0: no region would get traffic. Give at least one a weight",
    ),
    "one region only with a recovery target": (
        azure_stack({"traffic.rto_target_s": 180}),
        "traffic.rto_target_s = 180: one region has no other to fail over to. Add a region, or leave it out",
    ),
    "a TTL above the recovery target": (
        prod({"environment": "staging", "traffic.ttl_s": 181}),
        "traffic.rto_target_s = 180: a dead region keeps its traffic for 289 s. Lower traffic.ttl_s",
    ),
    "a path of a health check that the configuration does not have": (
        prod({"traffic.health_check.path": ""}),
        'traffic.health_check.path = "": no such key',
    ),
}


@pytest.mark.parametrize(("values", "says"), BAD.values(), ids=BAD)
def test_a_stack_with_one_thing_wrong_has_one_error(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        planned(values)
    (found,) = error.value.problems
    assert str(found).startswith(f"novacron:environment.{says}")
    assert found.fix[0].isupper()


def test_a_region_that_opened_after_the_list_was_made_is_taken_at_its_word() -> None:
    region = {"regions.1.name": "us-west-5", "regions.1.zones": ["us-west-5a", "us-west-5b"], "regions.1.new": True}
    assert "us-west-5" in {item.name for item in planned(prod(region)).regions}


def test_the_azure_stack_is_otherwise_good() -> None:
    assert planned(azure_stack({})).unknown_offers == ()


def test_a_machine_that_no_list_knows_in_a_region_is_a_line_of_the_plan() -> None:
    lines = describe(planned(azure_stack({"regions.0.name": "belgiumcentral"})))
    assert "  not known whether belgiumcentral has Standard_ND96isr_H100_v5" in lines
    assert "  not known whether belgiumcentral has Standard_L80s_v3" in lines


def test_machines_of_every_region_are_told_at_once() -> None:
    regions = [
        ON_AZURE["regions"][0] | {"name": name, "dns_label": name, "network": f"10.{index}.0.0/16"}
        for index, name in enumerate(("northeurope", "westus3", "francecentral"))
    ]
    with pytest.raises(ConfigurationError) as error:
        load(azure_stack({"regions": regions}))
    assert [(item.path.rpartition("environment.")[2], item.value) for item in error.value.problems] == [
        ("regions.0.name", "northeurope"),
        ("regions.2.name", "francecentral"),
    ]


def default(args: type, name: str) -> object:
    (field,) = [item for item in fields(args) if item.name == name]
    assert field.default is not MISSING
    return field.default


def test_the_networks_that_clusters_take_are_those_of_the_components() -> None:
    assert {
        Platform.AWS: {"services": default(aws.EksClusterArgs, "service_cidr")},
        Platform.AZURE: {
            "services": default(azure.AksClusterArgs, "service_cidr"),
            "pods": default(azure.AksClusterArgs, "pod_cidr"),
        },
    } == CLUSTER_NETWORKS


def regions_of(platform: Platform) -> set[str]:
    lists = [item for item in offer_lists() if item.cloud.value == platform.value]
    return {region for item in lists for regions in (item.covers, *item.offers.values()) for region in regions}


def test_every_environment_has_a_name_for_redis_in_every_region_of_amazon() -> None:
    names = [f"{stage.value}-{region}" for stage in EnvironmentName for region in regions_of(Platform.AWS)]
    assert max(map(len, names)) <= LONGEST_REDIS_NAME


@pytest.mark.parametrize("platform", [Platform.AWS, Platform.GCP, Platform.AZURE])
def test_no_known_region_has_too_long_a_name(platform: Platform) -> None:
    assert max(map(len, regions_of(platform))) <= LONGEST_REGION_NAME


def test_a_list_of_regions_names_machines_of_its_cloud() -> None:
    for item in offer_lists():
        assert item.offers
        assert {machine(name).cloud for name in item.offers} == {item.cloud}


def aws_store(opts: pulumi.ResourceOptions, bucket: str) -> None:
    aws.AwsModelStore("models", replace(aws_samples.STORE, bucket=bucket), opts)


def gcp_store(opts: pulumi.ResourceOptions, bucket: str) -> None:
    gcp.GcpModelStore("models", replace(gcp_samples.STORE, bucket=bucket), opts)


def azure_store(opts: pulumi.ResourceOptions, bucket: str) -> None:
    account, _, container = bucket.partition("/")
    azure.AzureModelStore("models", replace(azure_samples.STORE, account=account, container=container), opts)


STORES: dict[str, tuple[Callable[..., None], Callable[..., Any]]] = {
    "s3": (aws_store, aws_graph.declare),
    "gcs": (gcp_store, gcp_graph.declare),
    "azure": (azure_store, azure_graph.declare),
}


@pytest.mark.parametrize(
    ("kind", "bucket"),
    [
        *(
            (kind, bucket)
            for kind in ("s3", "gcs")
            for bucket in ("a.b.c", "goog-models", "a_b", "A-b", "-ab", "ab", "abc")
        ),
        *(("azure", name) for name in ("models", "a-b/models", "acc/a--b", "acc/a-", "acc/a.b", "acc/ab", "acc/a-b")),
        *(("s3", "x" * length) for length in (63, 64)),
        *(("gcs", "x" * length) for length in (63, 64)),
        *(("azure", "x" * length + "/models") for length in (24, 25)),
        *(("azure", "account/" + "x" * length) for length in (63, 64)),
    ],
)
def test_a_store_that_its_component_refuses_is_refused_before_it_is_made(kind: str, bucket: str) -> None:
    component, declare = STORES[kind]

    def program(opts: pulumi.ResourceOptions) -> None:
        component(opts, bucket)

    def told(step: Callable[[], object]) -> set[str]:
        try:
            step()
        except ConfigurationError as error:
            return {item.path.rpartition(".")[2] for item in error.problems} - {"kind"}
        return set()

    values = azure_stack({"model.store": {"kind": kind, "bucket": bucket}})
    assert bool(told(lambda: load(values))) == bool(told(lambda: declare(program)))


COMPONENTS: list[tuple[Any, Any, Callable[..., Any]]] = [
    *(
        (component, args, aws_graph.declare)
        for component, args in (
            (aws.AwsKeys, aws_samples.KEYS),
            (aws.AwsNetwork, aws_samples.NETWORK),
            (aws.EksCluster, aws_samples.CLUSTER),
            (aws.EksNodePool, aws_samples.POOL),
            (aws.EksAddons, aws_samples.ADDONS),
            (aws.EksPodRole, aws_samples.POD_ROLE),
            (aws.AwsModelStore, aws_samples.STORE),
            (aws.AwsModelReplication, aws_samples.REPLICATION),
            (aws.AwsFastFiles, aws_samples.FAST_FILES),
            (aws.AwsSharedFiles, aws_samples.SHARED_FILES),
            (aws.AwsFileReplication, aws_samples.FILE_REPLICATION),
            (aws.AwsPostgres, aws_samples.POSTGRES),
            (aws.AwsRedis, aws_samples.REDIS),
            (aws.AwsRegistry, aws_samples.REGISTRY),
        )
    ),
    *(
        (component, args, gcp_graph.declare)
        for component, args in (
            (gcp.GcpKeys, gcp_samples.KEYS),
            (gcp.GcpNetwork, gcp_samples.NETWORK),
            (gcp.GcpFabric, gcp_samples.FABRIC),
            (gcp.GkeCluster, gcp_samples.CLUSTER),
            (gcp.GkeNodePool, gcp_samples.POOL),
            (gcp.GcpModelStore, gcp_samples.STORE),
            (gcp.GcpModelDisk, gcp_samples.DISK),
            (gcp.GcpFastFiles, gcp_samples.FAST_FILES),
            (gcp.GcpSharedFiles, gcp_samples.SHARED_FILES),
        )
    ),
    *(
        (component, args, azure_graph.declare)
        for component, args in (
            (azure.AzureLogs, azure_samples.LOGS),
            (azure.AzureKeys, azure_samples.KEYS),
            (azure.AzureNetwork, azure_samples.NETWORK),
            (azure.AksCluster, azure_samples.CLUSTER),
            (azure.AksNodePool, azure_samples.POOL),
            (azure.AzureModelStore, azure_samples.STORE),
            (azure.AzureFastFiles, azure_samples.FAST_FILES),
            (azure.AzureSharedFiles, azure_samples.SHARED_FILES),
        )
    ),
]


@pytest.mark.parametrize(
    ("component", "args", "declare"), COMPONENTS, ids=[component.__name__ for component, _, _ in COMPONENTS]
)
def test_no_component_takes_a_name_of_65_characters(component: Any, args: Any, declare: Callable[..., Any]) -> None:
    def program(opts: pulumi.ResourceOptions) -> None:
        component(LONG, args, opts)

    with pytest.raises(ArgumentError) as error:
        declare(program)
    assert [(item.path, item.value) for item in error.value.problems] == [("name", LONG)]
    assert "it has 65 characters" in str(error.value)
