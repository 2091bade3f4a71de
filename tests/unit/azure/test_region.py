"""A whole region: what its parts get from each other, and what it tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pulumi
import pytest
from novacron_infra.azure.names import make_unique_name
from novacron_infra.azure.region import AzureRegion, AzureRegionArgs
from novacron_infra.errors import ArgumentError
from novacron_infra.stores import AzureBlobStore, ManagedNfsStore, NewEfsStore, NfsStore

from tests.unit.azure import samples
from tests.unit.azure.azure_api import MODELS, problems
from tests.unit.azure.graph import SUBSCRIPTION, declare
from tests.unit.graph import Graph, violations

UNIQUE = make_unique_name("prod-westus2", SUBSCRIPTION)


def whole(opts: pulumi.ResourceOptions, **changes: Any) -> Any:
    subscription_id = changes.pop("subscription_id", SUBSCRIPTION)
    args = AzureRegionArgs(spec=replace(samples.SPEC, **changes), subscription_id=subscription_id)
    return AzureRegion("prod-westus2", args, opts).results.export()


@pytest.fixture(scope="module")
def region() -> Graph:
    return declare(whole)


def test_it_tells_what_others_need(region: Graph) -> None:
    told = region.result
    kubeconfig = told.pop("kubeconfig")
    assert "prod-westus2" in kubeconfig
    assert told == {
        "platform": "azure",
        "cluster": "prod-westus2",
        "resource_group": "prod-westus2",
        "model_store": "az://models@novacronprodmodels.blob.core.windows.net/models",
        "worker_identity": "client-prod-westus2-llm-workers-identity",
        "postgres_endpoint": f"{UNIQUE}.postgres.database.azure.com:5432",
        "postgres_secret": f"https://{UNIQUE}.vault.azure.net/secrets/prod-westus2-postgres",
        "redis_endpoint": f"{UNIQUE}.westus2.redis.azure.net:10000",
        "redis_secret": f"https://{UNIQUE}.vault.azure.net/secrets/prod-westus2-redis",
        "ingress_address": "203.0.113.7",
        "ingress_name": "prod-westus2-ingress-address",
        "registry": f"{UNIQUE}.azurecr.io",
    }


def test_everything_is_in_its_group_and_uses_its_provider(region: Graph) -> None:
    elsewhere = {
        item.type.removeprefix("azure-native:")
        for item in region.custom
        if item.inputs.get("resourceGroupName", "prod-westus2") != "prod-westus2"
    }
    assert elsewhere == {"network:FlowLog"}
    assert {item.provider.split("::")[-2] for item in region.custom} == {"explicit"}
    assert {provider.split("::")[-2] for _, provider in region.invokes} == {"explicit"}


def test_pools_have_names_that_aks_takes(region: Graph) -> None:
    names = {item.inputs["agentPoolName"] for item in region.of("containerservice:AgentPool")}
    assert names == {"coord1", "coord2", "coord3", "workers"}


def test_the_internet_reaches_the_coordinators_port_and_no_other(region: Graph) -> None:
    rules = [rule for item in region.of("network:NetworkSecurityGroup") for rule in item.inputs["securityRules"]]
    assert [rule["destinationPortRange"] for rule in rules] == ["443"]


def test_what_cannot_be_made_again_is_protected_where_anything_is(region: Graph) -> None:
    protected = {item.type.removeprefix("azure-native:") for item in region.custom if item.protect}
    assert protected == {
        "containerregistry:Registry",
        "containerservice:ManagedCluster",
        "dbforpostgresql:Database",
        "dbforpostgresql:Server",
        "keyvault:Key",
        "keyvault:Vault",
        "network:PublicIPAddress",
        "resources:ResourceGroup",
        "storage:BlobContainer",
        "storage:StorageAccount",
    }
    free = declare(lambda opts: whole(opts, protect=False))
    assert not any(item.protect for item in free.custom)
    assert free.one("keyvault:Vault").inputs["properties"]["softDeleteRetentionInDays"] == 7


def test_one_redis_node_has_no_copy_and_no_cluster() -> None:
    graph = declare(lambda opts: whole(opts, redis_nodes=1))
    cluster = graph.one("redisenterprise:RedisEnterprise").inputs
    assert (cluster["sku"]["name"], cluster["highAvailability"]) == ("MemoryOptimized_M50", "Disabled")


@pytest.mark.parametrize("export", [None, "files.acme.com:/export"])
def test_region_with_a_file_store_has_no_container_and_no_role_for_one(export: str | None) -> None:
    graph = declare(lambda opts: whole(opts, store=ManagedNfsStore() if export is None else NfsStore(export=export)))
    modelled = [item for item in graph.custom if item.type.removeprefix("azure-native:") in MODELS]
    assert [problem for item in modelled for problem in problems(item)] == []
    assert [message for item in graph.custom for message in violations(item)] == []
    assert graph.of("storage:BlobContainer") == []
    assert not any("llm-workers" in item.name for item in graph.of("authorization:RoleAssignment"))
    assert graph.result["worker_identity"] == "client-prod-westus2-llm-workers-identity"
    account = make_unique_name("prod-westus2-models", SUBSCRIPTION)
    made = f"nfs://{account}.file.core.windows.net/{account}/models/models"
    assert graph.result["model_store"] == ("nfs://files.acme.com/export/models" if export else made)
    shares = graph.of("storage:FileShare")
    assert [(item.protect, item.inputs["provisionedBandwidthMibps"]) for item in shares] == (
        [] if export else [(True, 2000)]
    )


def test_names_of_two_regions_or_subscriptions_are_never_the_same() -> None:
    other = SUBSCRIPTION.replace("0", "1")
    names = {make_unique_name(name, sub) for name in ("prod-westus2", "prod-westus3") for sub in (SUBSCRIPTION, other)}
    assert len(names) == 4
    assert all(len(name) <= 24 and name.isalnum() and name[0].isalpha() for name in names)
    assert len(make_unique_name("prod-" + "x" * 30, SUBSCRIPTION)) == 24


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subscription_id": "prod"}, "prod-westus2.subscription_id = prod: it is not the id of a subscription"),
        (
            {"store": AzureBlobStore(account="novacron", container="")},
            'prod-westus2-models.container = "": a container has 3 to 63',
        ),
        ({"store": NewEfsStore()}, "prod-westus2.store = NewEfsStore: Azure has no such model store"),
        ({"redis_nodes": 500}, "prod-westus2.redis_nodes = 500: Azure Managed Redis has at most 80 such nodes"),
        ({"region": "us-west-2"}, "prod-westus2.region = us-west-2: Azure writes no region like this"),
    ],
)
def test_a_region_that_azure_would_refuse_is_refused_before_anything_exists(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda opts: whole(opts, **changes))
    assert message in str(error.value)
