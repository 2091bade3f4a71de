"""Limits of the configuration that are those of the clouds' components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from typing import Any

import pulumi
import pytest
from novacron_infra import aws, azure, gcp
from novacron_infra.catalog import find_machine, load_offer_lists
from novacron_infra.config import Platform, load
from novacron_infra.config.rules.networks import CLUSTER_NETWORKS
from novacron_infra.config.rules.regions import LONGEST_REGION_NAME
from novacron_infra.errors import ArgumentError, ConfigurationError

from tests.unit.aws import graph as aws_graph
from tests.unit.aws import samples as aws_samples
from tests.unit.azure import graph as azure_graph
from tests.unit.azure import samples as azure_samples
from tests.unit.config.environments import AZURE, PROD, change, plan
from tests.unit.gcp import graph as gcp_graph
from tests.unit.gcp import samples as gcp_samples
from tests.unit.graph import Graph

LONG = "x" * 65


def test_a_new_region_need_not_be_on_the_list_of_regions() -> None:
    region = {"regions.1.name": "us-west-5", "regions.1.zones": ["us-west-5a", "us-west-5b"], "regions.1.new": True}
    assert "us-west-5" in {item.name for item in plan(change(PROD, region)).regions}


def test_the_azure_stack_has_no_unknown_machines() -> None:
    assert plan(AZURE).unknown_offers == ()


def test_the_plan_names_machines_that_no_list_knows_in_a_region() -> None:
    assert plan(change(AZURE, {"regions.0.name": "belgiumcentral"})).unknown_offers == (
        ("belgiumcentral", "Standard_L80s_v3"),
        ("belgiumcentral", "Standard_ND96isr_H100_v5"),
    )


def default(args: type, name: str) -> object:
    (field,) = [item for item in fields(args) if item.name == name]
    assert field.default is not MISSING
    return field.default


def test_the_networks_of_clusters_are_those_of_the_components() -> None:
    assert {
        Platform.AWS: {"services": default(aws.EksClusterArgs, "service_cidr")},
        Platform.AZURE: {
            "services": default(azure.AksClusterArgs, "service_cidr"),
            "pods": default(azure.AksClusterArgs, "pod_cidr"),
        },
    } == CLUSTER_NETWORKS


def regions_of(platform: Platform) -> set[str]:
    lists = [item for item in load_offer_lists() if item.cloud.value == platform.value]
    return {region for item in lists for regions in (item.covers, *item.offers.values()) for region in regions}


@pytest.mark.parametrize("platform", [Platform.AWS, Platform.GCP, Platform.AZURE])
def test_every_known_region_has_a_short_enough_name(platform: Platform) -> None:
    assert max(map(len, regions_of(platform))) <= LONGEST_REGION_NAME


def test_a_list_of_offers_names_machines_of_its_cloud() -> None:
    for item in load_offer_lists():
        assert item.offers
        assert {find_machine(name).cloud for name in item.offers} == {item.cloud}


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
def test_configuration_and_components_agree_on_names_of_stores(kind: str, bucket: str) -> None:
    component, declare = STORES[kind]

    def program(opts: pulumi.ResourceOptions) -> None:
        component(opts, bucket)

    def find_fields(step: Callable[[], object]) -> set[str]:
        try:
            step()
        except ConfigurationError as error:
            return {item.path.rpartition(".")[2] for item in error.problems} - {"kind"}
        return set()

    values = change(AZURE, {"model.store": {"kind": kind, "bucket": bucket}})
    assert bool(find_fields(lambda: load(values))) == bool(find_fields(lambda: declare(program)))


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
            (aws.AwsLustre, aws_samples.LUSTRE),
            (aws.AwsEfs, aws_samples.EFS),
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
            (gcp.GcpLustre, gcp_samples.LUSTRE),
            (gcp.GcpFilestore, gcp_samples.FILESTORE),
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
            (azure.AzureLustre, azure_samples.LUSTRE),
            (azure.AzureFiles, azure_samples.FILES),
        )
    ),
]


@pytest.mark.parametrize(
    ("component", "args", "declare"), COMPONENTS, ids=[component.__name__ for component, _, _ in COMPONENTS]
)
def test_components_reject_a_name_of_65_characters(
    component: Callable[..., object], args: object, declare: Callable[..., Graph]
) -> None:
    def program(opts: pulumi.ResourceOptions) -> None:
        component(LONG, args, opts)

    with pytest.raises(ArgumentError) as error:
        declare(program)
    assert [(item.path, item.value) for item in error.value.problems] == [("name", LONG)]
    assert "it has 65 characters" in str(error.value)
