"""Databases, registry, ingress, pods' identities and copies of models: what a user relies on, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from novacron_infra.azure import AzureModelReplication, AzurePostgres, AzureRedis, AzureRegistry
from novacron_infra.azure.databases import find_redis_size
from novacron_infra.azure.private_link import ZONES, PrivateService
from novacron_infra.errors import ArgumentError
from novacron_infra.limits.databases import AZURE_REDIS_GB

from tests.unit.azure import samples
from tests.unit.azure.graph import declare, resource_id
from tests.unit.graph import Graph

STORAGE_KEY = "https://keys.vault.azure.net/keys/keys-storage"
STORAGE_IDENTITY = resource_id("managedidentity:UserAssignedIdentity", "keys-storage")


def test_postgres_is_private_encrypted_and_in_two_zones(region: Graph) -> None:
    server = region.one("dbforpostgresql:Server")
    inputs = server.inputs
    assert server.protect
    assert inputs["network"] == {"publicNetworkAccess": "Disabled"}
    assert inputs["dataEncryption"] == {
        "type": "AzureKeyVault",
        "primaryKeyURI": STORAGE_KEY,
        "primaryUserAssignedIdentityId": STORAGE_IDENTITY,
    }
    assert inputs["sku"] == {"name": "Standard_E8ds_v5", "tier": "MemoryOptimized"}
    assert inputs["highAvailability"]["mode"] == "ZoneRedundant"
    assert inputs["backup"] == {"backupRetentionDays": 35, "geoRedundantBackup": "Disabled"}
    assert "authorization:RoleAssignment keys-storage" in server.typed_dependencies


def test_postgres_answers_over_tls_only(region: Graph) -> None:
    settings = {
        item.inputs["configurationName"]: item.inputs["value"] for item in region.of("dbforpostgresql:Configuration")
    }
    assert settings["require_secure_transport"] == "on"


def test_redis_is_private_encrypted_on_disk_and_on_the_way(region: Graph) -> None:
    inputs = region.one("redisenterprise:RedisEnterprise").inputs
    assert (inputs["publicNetworkAccess"], inputs["minimumTlsVersion"]) == ("Disabled", "1.2")
    assert inputs["highAvailability"] == "Enabled"
    key = inputs["encryption"]["customerManagedKeyEncryption"]
    assert key["keyEncryptionKeyUrl"] == f"{STORAGE_KEY}/{'0' * 32}"
    assert key["keyEncryptionKeyIdentity"]["userAssignedIdentityResourceId"] == STORAGE_IDENTITY
    database = region.one("redisenterprise:Database").inputs
    assert (database["clientProtocol"], database["clusteringPolicy"]) == ("Encrypted", "OSSCluster")


def test_a_single_redis_needs_no_clients_of_a_cluster() -> None:
    args = replace(samples.REDIS, clustered=False, replicated=False)
    graph = declare(lambda opts: AzureRedis("r", args, opts).cluster.id)
    assert graph.one("redisenterprise:RedisEnterprise").inputs["highAvailability"] == "Disabled"
    assert graph.one("redisenterprise:Database").inputs["clusteringPolicy"] == "EnterpriseCluster"


@pytest.mark.parametrize(
    ("name", "user", "password"), [("state", "novacron", "generated"), ("cache", "default", "made-by-azure")]
)
def test_passwords_are_generated_and_stored_in_the_vault(region: Graph, name: str, user: str, password: str) -> None:
    secret = region.one("keyvault:Secret", f"{name}-credentials")
    assert secret.secrets == ("properties",)
    assert json.loads(secret.inputs["properties"]["value"]) == {"username": user, "password": password}
    assert "administratorLoginPassword" in region.one("dbforpostgresql:Server").secrets


def test_clients_get_host_and_port(region: Graph) -> None:
    assert region.result["postgres"] == "novacronprod.postgres.database.azure.com:5432"
    assert region.result["redis"] == "novacronprod.westus2.redis.azure.net:10000"
    assert region.result["registry"] == "novacronprod.azurecr.io"


@pytest.mark.parametrize(
    ("name", "service", "type_"),
    [
        ("state", PrivateService.POSTGRES, "dbforpostgresql:Server state-server"),
        ("cache", PrivateService.REDIS, "redisenterprise:RedisEnterprise cache-cluster"),
        ("images", PrivateService.REGISTRY, "containerregistry:Registry images-registry"),
    ],
)
def test_services_are_reached_from_inside_by_their_own_names(
    region: Graph, name: str, service: PrivateService, type_: str
) -> None:
    (connection,) = region.one("network:PrivateEndpoint", f"{name}-endpoint").inputs["privateLinkServiceConnections"]
    assert connection["groupIds"] == [service.value]
    assert connection["privateLinkServiceId"] == resource_id(*type_.split())
    (zone,) = region.one("network:PrivateDnsZoneGroup", f"{name}-endpoint").inputs["privateDnsZoneConfigs"]
    assert zone["privateDnsZoneId"] == resource_id("privatedns:PrivateZone", f"network-{service.value}")
    assert ZONES[service].startswith("privatelink.")


def test_images_are_encrypted_and_only_nodes_pull_them(region: Graph) -> None:
    registry = region.one("containerregistry:Registry")
    inputs = registry.inputs
    assert registry.protect
    assert inputs["adminUserEnabled"] is inputs["anonymousPullEnabled"] is False
    assert (inputs["publicNetworkAccess"], inputs["sku"]["name"]) == ("Disabled", "Premium")
    assert inputs["encryption"] == {
        "status": "enabled",
        "keyVaultProperties": {"identity": "client-keys-storage", "keyIdentifier": STORAGE_KEY},
    }
    pull = region.one("authorization:RoleAssignment", "images-pull").inputs
    assert pull["principalId"] == "principal-prod-kubelet"


def test_the_address_is_static_in_all_zones_and_the_cluster_may_take_it(region: Graph) -> None:
    address = region.one("network:PublicIPAddress", "door-address")
    assert address.protect
    assert address.inputs["sku"] == {"name": "Standard"}
    assert (address.inputs["publicIPAllocationMethod"], address.inputs["zones"]) == ("Static", ["1", "2", "3"])
    assert region.result["address"] == "203.0.113.7"


def test_workers_read_models_and_nothing_else(region: Graph) -> None:
    trust = region.one("managedidentity:FederatedIdentityCredential").inputs
    assert trust["subject"] == "system:serviceaccount:novacron-llm:llm-workers"
    assert trust["issuer"] == region.result["issuer"]
    assert trust["audiences"] == ["api://AzureADTokenExchange"]
    assert region.result["workers"] == "client-workers-identity"


def test_both_ends_of_a_copy_have_the_same_policy(region: Graph) -> None:
    policies = {item.name: item.inputs for item in region.of("storage:ObjectReplicationPolicy")}
    there, here = policies["copies-to-eastus"], policies["copies-from-source-to-eastus"]
    assert (there["accountName"], here["accountName"]) == ("novacroneast", "novacronprodmodels")
    assert there["objectReplicationPolicyId"] == "default"
    assert here["objectReplicationPolicyId"] == "policy-copies-to-eastus"
    assert (there["sourceAccount"], there["destinationAccount"]) == (here["sourceAccount"], here["destinationAccount"])
    (rule,), (same,) = there["rules"], here["rules"]
    assert same == {"ruleId": "rule-copies-to-eastus", **rule}
    assert rule["filters"] == {
        "prefixMatch": ["models/", "configuration/"],
        "minCreationTime": "1601-01-01T00:00:00Z",
    }


def test_copies_wait_for_versions(region: Graph) -> None:
    policy = next(item for item in region.of("storage:ObjectReplicationPolicy") if item.name == "copies-to-eastus")
    assert "storage:BlobServiceProperties models-models" in policy.typed_dependencies


def test_an_alarm_goes_off_when_copies_are_late() -> None:
    args = replace(samples.REPLICATION, longest_lag_s=900, alarm_action_group_ids=("group",))
    graph = declare(lambda opts: AzureModelReplication("copies", args, opts).alarms["eastus"].id)
    alarm = graph.one("monitor:MetricAlert", "copies-lag-eastus").inputs
    assert alarm["actions"] == [{"actionGroupId": "group"}]
    (scope,) = alarm["scopes"]
    assert scope.endswith("copies-from-source-to-eastus")
    (criterion,) = alarm["criteria"]["allOf"]
    assert (criterion["metricName"], criterion["operator"], criterion["threshold"]) == (
        "PendingOperationsForReplication",
        "GreaterThan",
        0,
    )
    ignored = {item["name"]: (item["operator"], item["values"]) for item in criterion["dimensions"]}
    assert ignored["TimeBucket"] == ("Exclude", ["0-5 mins", "5-10 mins", "10-15 mins"])
    assert list(ignored) == ["TimeBucket"]


def test_configuration_is_late_after_five_minutes_and_models_within_the_hour(region: Graph) -> None:
    def ignored(name: str) -> list[str]:
        (criterion,) = region.one("monitor:MetricAlert", name).inputs["criteria"]["allOf"]
        return criterion["dimensions"][0]["values"]

    assert ignored("copies-lag-eastus-configuration") == ["0-5 mins"]
    assert ignored("copies-lag-eastus") == ["0-5 mins", "5-10 mins", "10-15 mins", "15-30 mins"]


def test_models_in_the_whole_container_are_copied_with_all_of_it() -> None:
    args = replace(samples.REPLICATION, prefix="")
    graph = declare(lambda opts: AzureModelReplication("copies", args, opts).alarms["eastus"].id)
    (rule,) = graph.one("storage:ObjectReplicationPolicy", "copies-to-eastus").inputs["rules"]
    assert rule["filters"] == {"minCreationTime": "1601-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("primaries", "size"), [(1, "M50"), (3, "M150"), (4, "M250"), (AZURE_REDIS_GB[-1] // 50, "M2000")]
)
def test_redis_size_has_the_memory_of_its_primaries(primaries: int, size: str) -> None:
    assert find_redis_size(primaries) == f"MemoryOptimized_{size}"


def test_no_redis_is_larger_than_the_largest() -> None:
    assert find_redis_size(AZURE_REDIS_GB[-1] // 50 + 1) is None


def postgres(name: str = "state", **changes: Any) -> None:
    AzurePostgres(name, replace(samples.POSTGRES, **changes))


def redis(name: str = "cache", **changes: Any) -> None:
    AzureRedis(name, replace(samples.REDIS, **changes))


def registry(name: str = "images", **changes: Any) -> None:
    AzureRegistry(name, replace(samples.REGISTRY, **changes))


def copies(name: str = "copies", **changes: Any) -> None:
    AzureModelReplication(name, replace(samples.REPLICATION, **changes))


THREE = dict.fromkeys(("eastus", "westeurope", "japaneast"), samples.REPLICATION.replicas["eastus"])


@pytest.mark.parametrize(
    ("component", "changes", "message"),
    [
        (postgres, {"storage_gib": 200}, "state.storage_gib = 200: Azure has disks of 32, 64, 128, 256"),
        (postgres, {"storage_gib": 200}, "GiB for Postgres. Use 256"),
        (postgres, {"storage_gib": 40_000}, "GiB for Postgres. Use 32767"),
        (postgres, {"backup_days": 3}, "state.backup_days = 3: Azure keeps backups for 7 to 35 days"),
        (postgres, {"instance_class": "Standard_B2s"}, "state.instance_class = Standard_B2s: a server here is general"),
        (postgres, {"instance_class": "db.r7g.2xlarge"}, "Write it as Standard_E8ds_v5"),
        (redis, {"node_type": "Enterprise_E10"}, "cache.node_type = Enterprise_E10: Azure Managed Redis has no such"),
        (redis, {"region": "West US 2"}, "cache.region = West US 2: Azure writes no region like this"),
        (registry, {"registry": "nova-cron"}, "images.registry = nova-cron: no registry has such a name"),
        (registry, {"untagged_days": 400}, "images.untagged_days = 400: Azure keeps untagged images 0 to 365 days"),
        (copies, {"replicas": {}}, "copies.replicas = none: nothing would be replicated"),
        (copies, {"replicas": THREE}, "copies.replicas = eastus, westeurope, japaneast: an account copies to 2 others"),
        (copies, {"longest_lag_s": 3600}, "copies.longest_lag_s = 3600: Azure tells what waits longer than 300, 600"),
    ],
    ids=lambda value: str(next(iter(value)) if isinstance(value, dict) else getattr(value, "__name__", "")),
)
def test_bad_arguments_are_rejected_before_any_resource(
    component: Callable[..., object], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda _: component(**changes))
    assert message in str(error.value)
