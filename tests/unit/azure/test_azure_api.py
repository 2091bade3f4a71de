"""Planned resources against Azure's models and rules of names, and all of them against the policy pack."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pytest

from tests.unit.azure.azure_api import IN_PATH, MODELS, NAME_RULES, NO_MODELS, problems
from tests.unit.graph import Graph, Registered, changed, violations


def modelled(region: Graph) -> list[Registered]:
    return [item for item in region.custom if item.type.removeprefix("azure-native:") in MODELS]


def test_azure_has_every_member_and_value(region: Graph) -> None:
    assert [problem for resource in modelled(region) for problem in problems(resource)] == []


def test_nearly_every_planned_property_is_checked(region: Graph) -> None:
    types = {item.type.removeprefix("azure-native:") for item in region.custom}
    assert types == set(MODELS) | NO_MODELS
    planned = sum(len(item.inputs) for item in region.custom)
    checked = sum(len(item.inputs) for item in modelled(region))
    assert checked / planned > 0.95


def test_every_copied_rule_is_of_a_planned_name(region: Graph) -> None:
    planned = {
        (type_, name) for item in region.custom for name in item.inputs for type_ in ("*", item.type.split(":", 1)[1])
    }
    assert set(NAME_RULES) <= planned
    assert {name for _, name in NAME_RULES} <= IN_PATH


@pytest.mark.parametrize("type_", sorted({type_ for type_, _ in NAME_RULES} - {"*"}))
def test_copied_rules_are_of_the_version_that_the_sdk_calls(type_: str) -> None:
    module, _, name = type_.partition(":")
    (called, *_) = re.findall(
        r"Uses Azure REST API version ([0-9a-z-]+)",
        inspect.getsource(getattr(importlib.import_module(f"pulumi_azure_native.{module}"), name)),
    )
    assert {rule.version for (owner, _), rule in NAME_RULES.items() if owner == type_} == {called}, "read it again"


def test_no_policy_is_violated(region: Graph) -> None:
    assert [message for resource in region.custom for message in violations(resource)] == []


CLUSTER, POOL = ("containerservice:ManagedCluster", "prod-cluster"), ("containerservice:AgentPool", "infini-nodes")
ALERT = ("monitor:MetricAlert", "copies-lag-eastus")


@pytest.mark.parametrize(
    ("resource", "path", "value", "expected"),
    [
        (POOL, "gpuProfile.driver", "none", "is none of ['Install', 'None']"),
        (POOL, "osSKU", "Debian", "is none of"),
        (POOL, "count", "4", "'4' is not of type int"),
        (POOL, "count", 4.5, "4.5 is not of type int"),
        (POOL, "enableAutoScaling", "true", "is not of type bool"),
        (POOL, "gpus", 8, "has no such member"),
        (POOL, "upgradeSettings.surge", "0", "AgentPoolUpgradeSettings has no such member"),
        (POOL, "linuxOSConfig.sysctls.netCoreRmem", 1, "SysctlConfig has no such member"),
        (POOL, "provisioningState", "Succeeded", "only Azure writes it"),
        (POOL, "nodeTaints", "nvidia.com/gpu", "is not a list"),
        (CLUSTER, "sku.tier", "Gold", "is none of"),
        (CLUSTER, "networkProfile.networkDataplane", "ebpf", "is none of"),
        (CLUSTER, "securityProfile.azureKeyVaultKms.key", "k", "AzureKeyVaultKms has no such member"),
        (CLUSTER, "agentPoolProfiles.0.mode", "Systems", "is none of"),
        (CLUSTER, "fqdn", "prod", "only Azure writes it"),
        (("keyvault:Vault", "keys-vault"), "properties.sku.name", "gold", "is none of"),
        (
            ("keyvault:Key", "keys-storage"),
            "properties.rotationPolicy.lifetimeActions.0.action.type",
            "turn",
            "none of",
        ),
        (("compute:DiskEncryptionSet", "keys-disks"), "encryptionType", "AtRest", "is none of"),
        (("network:FlowLog", "network-flow-logs"), "enabled", "yes", "is not of type bool"),
        (("network:Subnet", "network-api-server"), "delegations.0.service", "aks", "Delegation has no such member"),
        (("storage:StorageAccount", "models-models"), "minimumTlsVersion", "TLS12", "is none of"),
        (("storage:StorageAccount", "models-models"), "encryption.keyVault", {}, "Encryption has no such member"),
        (("storage:FileShare", "shared-files"), "provisionedBandwidthMibps", "2000", "is not of type int"),
        (("storagecache:AmlFilesystem", "fast-lustre"), "sku.tier", "Premium", "has no such member"),
        (("dbforpostgresql:Server", "state-server"), "highAvailability.mode", "Regional", "is none of"),
        (("dbforpostgresql:Server", "state-server"), "storage.storageSizeGB", "1024", "is not of type int"),
        (("redisenterprise:RedisEnterprise", "cache-cluster"), "sku.name", "MemoryOptimized_M1", "is none of"),
        (("redisenterprise:RedisEnterprise", "cache-cluster"), "hostName", "cache", "only Azure writes it"),
        (("redisenterprise:Database", "cache-database"), "shards", 3, "Database has no such member"),
        (("containerregistry:Registry", "images-registry"), "policies.retentionPolicy.days", "7", "is not of type int"),
        (("containerregistry:Registry", "images-registry"), "encryption.keyName", "k", "has no such member"),
        (("authorization:RoleAssignment", "prod-vault"), "principalType", "Robot", "is none of"),
        (("authorization:RoleAssignment", "prod-vault"), "role", "Reader", "has no such member"),
        (("managedidentity:FederatedIdentityCredential", "workers-identity"), "audience", "a", "no such member"),
        (("managedidentity:UserAssignedIdentity", "workers-identity"), "clientId", "c", "only Azure writes it"),
        (ALERT, "criteria.allOf.0.operator", "AtLeast", "is none of"),
        (ALERT, "criteria.allOf.0.metric", "Lag", "MetricCriteria has no such member"),
        (ALERT, "severity", "high", "is not of type int"),
        (
            ("storage:ObjectReplicationPolicy", "copies-to-eastus"),
            "rules.0.filters.prefix",
            "models/",
            "ObjectReplicationPolicyFilter has no such member",
        ),
        (("network:NatGateway", "network-nat"), "resourceGroupName", "g" * 91, "has 91 characters, not 1 to 90"),
        (CLUSTER, "resourceGroupName", "nova cron", "does not match"),
        (("keyvault:Vault", "keys-vault"), "vaultName", "novacron_prod", "does not match ^[a-zA-Z0-9-]{3,24}$"),
        (("keyvault:Secret", "state-credentials"), "secretName", "state/password", "does not match"),
        (POOL, "agentPoolName", "Infini", "does not match ^[a-z][a-z0-9]{0,11}$"),
        (POOL, "agentPoolName", "infinibandnode", "has 14 characters, not 1 to 12"),
        (POOL, "resourceName", "prod-", "does not match"),
        (("storage:StorageAccount", "models-models"), "accountName", "novacron-models", "does not match ^[a-z0-9]+$"),
        (("storage:BlobServiceProperties", "models-models"), "blobServicesName", "models", "is none of ['default']"),
        (("storage:FileShare", "shared-files"), "shareName", "m", "has 1 characters, not 3 to 63"),
        (("containerregistry:Registry", "images-registry"), "registryName", "nova-cron", "does not match"),
        # Microsoft's pattern has no end; a name is held against it as a whole.
        (("dbforpostgresql:Server", "state-server"), "serverName", "novacron-", "does not match"),
        (("redisenterprise:RedisEnterprise", "cache-cluster"), "clusterName", "nova--cron", "does not match"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_check_finds_what_azure_would_refuse(
    region: Graph, resource: tuple[str, str], path: str, value: Any, expected: str
) -> None:
    (found,) = problems(changed(region.one(*resource), path, value))
    assert expected in found


@pytest.mark.parametrize(
    ("resource", "path", "value", "policy"),
    [
        (POOL, "nodeTaints", [], "gpu-taint-and-toleration"),
        (CLUSTER, "apiServerAccessProfile.enablePrivateCluster", False, "private-api-endpoint"),
        (CLUSTER, "securityProfile.azureKeyVaultKms.enabled", False, "customer-key-encryption"),
        (CLUSTER, "diskEncryptionSetID", None, "customer-key-encryption"),
        (("storage:StorageAccount", "network-flow-logs"), "encryption.keySource", "Microsoft.Storage", "customer-key"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_policies_find_what_they_are_for(
    region: Graph, resource: tuple[str, str], path: str, value: Any, policy: str
) -> None:
    (found,) = violations(changed(region.one(*resource), path, value))
    assert policy in found
