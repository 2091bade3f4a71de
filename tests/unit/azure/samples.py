"""Components with good arguments, for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pulumi
from novacron_infra.azure import (
    AksCluster,
    AksClusterArgs,
    AksNodePool,
    AksNodePoolArgs,
    AksPodIdentity,
    AksPodIdentityArgs,
    AzureFiles,
    AzureFilesArgs,
    AzureIngress,
    AzureIngressArgs,
    AzureKeys,
    AzureKeysArgs,
    AzureLogs,
    AzureLogsArgs,
    AzureLustre,
    AzureLustreArgs,
    AzureModelReplication,
    AzureModelReplicationArgs,
    AzureModelStore,
    AzureModelStoreArgs,
    AzureNetwork,
    AzureNetworkArgs,
    AzurePostgres,
    AzurePostgresArgs,
    AzureRedis,
    AzureRedisArgs,
    AzureRegistry,
    AzureRegistryArgs,
    AzureThreatDetection,
    AzureThreatDetectionArgs,
    CustomerKey,
    DiskPlace,
    KeyUse,
    PrivateService,
    ReplicaArgs,
    SubnetUse,
)
from novacron_infra.azure.iam import Role
from novacron_infra.azure.region import AzureRegionArgs
from novacron_infra.catalog import FabricKind
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement
from novacron_infra.regions import RegionSpec
from novacron_infra.stores import AzureBlobStore
from novacron_infra.tags import Tags

from tests.unit.azure.graph import GROUP, SUBSCRIPTION

REGION, RESOURCE_GROUP = "westus2", "novacron"
TAGS = Tags(environment="prod")
WORKSPACE = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/logs"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/novacronprod"
SUBNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/network/subnets/nodes"
RESERVATION = f"{GROUP}/providers/Microsoft.Compute/capacityReservationGroups/h100"
STORAGE_KEY = CustomerKey(
    vault_id=VAULT,
    vault_uri="https://novacronprod.vault.azure.net/",
    name="storage",
    uri="https://novacronprod.vault.azure.net/keys/storage",
    versioned_uri=f"https://novacronprod.vault.azure.net/keys/storage/{'0' * 32}",
    identity_id=f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/storage",
    identity_client_id="44444444-4444-4444-4444-444444444444",
)
LOGS = AzureLogsArgs(region=REGION, resource_group=RESOURCE_GROUP, tags=TAGS)
KEYS = AzureKeysArgs(
    region=REGION, resource_group=RESOURCE_GROUP, vault="novacron-prod", workspace_id=WORKSPACE, tags=TAGS
)
NETWORK = AzureNetworkArgs(
    region=REGION,
    resource_group=RESOURCE_GROUP,
    cidr=IPv4Network("10.0.0.0/16"),
    storage_key=STORAGE_KEY,
    workspace_id=WORKSPACE,
    workspace_guid="11111111-1111-1111-1111-111111111111",
    flow_log_account="novacronprodflows",
    tags=TAGS,
)
CLUSTER = AksClusterArgs(
    region=REGION,
    resource_group=RESOURCE_GROUP,
    kubernetes_version="1.35",
    network_cidr=IPv4Network("10.0.0.0/16"),
    nodes_subnet_id=SUBNET,
    api_server_subnet_id=SUBNET.replace("nodes", "api-server"),
    secrets_key=STORAGE_KEY,
    disk_encryption_set_id=f"{GROUP}/providers/Microsoft.Compute/diskEncryptionSets/disks",
    workspace_id=WORKSPACE,
    admin_group_ids=("33333333-3333-3333-3333-333333333333",),
    tags=TAGS,
    container_logs=True,
    defender=True,
)
WORKERS = NodePoolShape(
    role=NodeRole.WORKER, machine="Standard_ND96isr_H100_v5", nodes=4, zones=(), fabric=FabricKind.INFINIBAND
)
POOL = AksNodePoolArgs(
    shape=WORKERS,
    pool="workers",
    region=REGION,
    resource_group=RESOURCE_GROUP,
    cluster_name="prod",
    control_principal_id="principal",
    kubernetes_version="1.35",
    subnet_id=SUBNET,
    tags=TAGS,
)
ZONE = f"{GROUP}/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
STORE = AzureModelStoreArgs(
    region=REGION,
    resource_group=RESOURCE_GROUP,
    account="novacronprodmodels",
    key=STORAGE_KEY,
    endpoint_subnet_id=SUBNET,
    blob_zone_id=ZONE,
    tags=TAGS,
)
LUSTRE = AzureLustreArgs(
    region=REGION,
    resource_group=RESOURCE_GROUP,
    zone="2",
    capacity_tib=4,
    subnet_id=SUBNET,
    key=STORAGE_KEY,
    tags=TAGS,
)
FILES = AzureFilesArgs(
    region=REGION,
    resource_group=RESOURCE_GROUP,
    account="novacronprodfiles",
    key=STORAGE_KEY,
    endpoint_subnet_id=SUBNET,
    file_zone_id=ZONE,
    tags=TAGS,
)
POSTGRES = AzurePostgresArgs(
    region=REGION,
    resource_group=RESOURCE_GROUP,
    server="novacronprod",
    instance_class="Standard_E8ds_v5",
    storage_gib=1024,
    endpoint_subnet_id=SUBNET,
    postgres_zone_id=ZONE,
    key=STORAGE_KEY,
    vault_name="novacronprod",
    workspace_id=WORKSPACE,
    tags=TAGS,
)
REDIS = AzureRedisArgs(
    region=REGION,
    resource_group=RESOURCE_GROUP,
    cluster="novacronprod",
    node_type="MemoryOptimized_M150",
    clustered=True,
    replicated=True,
    endpoint_subnet_id=SUBNET,
    redis_zone_id=ZONE,
    key=STORAGE_KEY,
    vault_name="novacronprod",
    tags=TAGS,
)
REGISTRY = AzureRegistryArgs(
    region=REGION,
    resource_group=RESOURCE_GROUP,
    registry="novacronprod",
    key=STORAGE_KEY,
    endpoint_subnet_id=SUBNET,
    registry_zone_id=ZONE,
    pull_principal_id="kubelet",
    workspace_id=WORKSPACE,
    tags=TAGS,
)
INGRESS = AzureIngressArgs(region=REGION, resource_group=RESOURCE_GROUP, control_principal_id="control", tags=TAGS)
POD_IDENTITY = AksPodIdentityArgs(
    region=REGION,
    resource_group=RESOURCE_GROUP,
    oidc_issuer="https://westus2.oic.prod-aks.azure.com/1/",
    namespace="novacron-llm",
    service_account="llm-workers",
    role=Role.STORAGE_BLOB_DATA_READER,
    scope=f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a/blobServices/default/containers/models",
    tags=TAGS,
)
REPLICATION = AzureModelReplicationArgs(
    source_account="novacronprodmodels",
    source_account_id=f"{GROUP}/providers/Microsoft.Storage/storageAccounts/novacronprodmodels",
    source_container="models",
    source_resource_group=RESOURCE_GROUP,
    replicas={
        "eastus": ReplicaArgs(
            account="novacroneast",
            account_id=f"{GROUP}/providers/Microsoft.Storage/storageAccounts/novacroneast",
            container="models",
            resource_group=RESOURCE_GROUP,
        )
    },
    tags=TAGS,
)
THREATS = AzureThreatDetectionArgs(region=REGION, tags=TAGS, alert_emails=("security@example.com",))
SPEC = RegionSpec(
    region=REGION,
    zones=(),
    network=IPv4Network("10.0.0.0/16"),
    kubernetes_version="1.35",
    admins=("33333333-3333-3333-3333-333333333333",),
    pools={
        "coordinators": NodePoolShape(
            role=NodeRole.COORDINATOR, machine="Standard_D64s_v5", nodes=3, zones=("1", "2", "3")
        ),
        "workers": WORKERS,
    },
    store=AzureBlobStore(account="novacronprodmodels", container="models"),
    postgres_storage_gib=1024,
    redis_nodes=6,
    tags=TAGS,
    protect=True,
)
WHOLE_REGION = AzureRegionArgs(spec=SPEC, subscription_id=SUBSCRIPTION)
SHAPES: dict[str, NodePoolShape] = {
    "plain": replace(WORKERS, fabric=None),
    "infini": WORKERS,
    "near": replace(WORKERS, placement=Placement.CLUSTER, zones=("2",)),
    "cheap": replace(WORKERS, capacity=Capacity.SPOT, on_demand_nodes=2, minimum_nodes=2, maximum_nodes=16),
    "reserved": NodePoolShape(
        role=NodeRole.STORAGE,
        machine="Standard_L80s_v3",
        nodes=4,
        zones=(),
        capacity=Capacity.RESERVATION,
        reservation_id=RESERVATION,
    ),
    "coord": NodePoolShape(
        role=NodeRole.COORDINATOR,
        machine="Standard_D64s_v5",
        nodes=3,
        zones=("1", "2", "3"),
        minimum_nodes=3,
        maximum_nodes=3,
    ),
    "storage": NodePoolShape(
        role=NodeRole.STORAGE, machine="Standard_L80s_v3", nodes=0, minimum_nodes=0, maximum_nodes=4, zones=("1",)
    ),
}


def region(opts: pulumi.ResourceOptions) -> Any:
    """Everything of a region, each component taking the outputs of those before it, and a pool of each shape."""
    logs = AzureLogs("logs", LOGS, opts)
    keys = AzureKeys("keys", replace(KEYS, workspace_id=logs.workspace_id), opts)
    network = AzureNetwork(
        "network",
        replace(
            NETWORK,
            storage_key=keys.find_key(KeyUse.STORAGE),
            workspace_id=logs.workspace_id,
            workspace_guid=logs.workspace_guid,
        ),
        opts,
    )
    cluster = AksCluster(
        "prod",
        replace(
            CLUSTER,
            nodes_subnet_id=network.subnet_ids[SubnetUse.NODES],
            api_server_subnet_id=network.subnet_ids[SubnetUse.API_SERVER],
            secrets_key=keys.find_key(KeyUse.CLUSTER),
            disk_encryption_set_id=keys.disk_encryption_set_id,
            workspace_id=logs.workspace_id,
        ),
        opts,
    )
    for name, shape in SHAPES.items():
        args = replace(
            POOL,
            shape=shape,
            pool=name,
            cluster_name=cluster.name,
            control_principal_id=cluster.control_principal_id,
            subnet_id=network.subnet_ids[SubnetUse.NODES],
            os_disk=DiskPlace.LOCAL if name == "storage" else DiskPlace.MANAGED,
        )
        AksNodePool(name, args, opts)
    key, endpoints = keys.find_key(KeyUse.STORAGE), network.subnet_ids[SubnetUse.ENDPOINTS]
    blob, file = (network.dns_zone_ids[service] for service in (PrivateService.BLOB, PrivateService.FILE))
    store = AzureModelStore("models", replace(STORE, key=key, endpoint_subnet_id=endpoints, blob_zone_id=blob), opts)
    AzureLustre("fast", replace(LUSTRE, key=key, subnet_id=network.subnet_ids[SubnetUse.FILES]), opts)
    AzureFiles("shared", replace(FILES, key=key, endpoint_subnet_id=endpoints, file_zone_id=file), opts)
    zones, vault = network.dns_zone_ids, keys.resources.vault.name
    inside = {"key": key, "endpoint_subnet_id": endpoints}
    postgres = replace(POSTGRES, postgres_zone_id=zones[PrivateService.POSTGRES], vault_name=vault, **inside)
    redis = replace(REDIS, redis_zone_id=zones[PrivateService.REDIS], vault_name=vault, **inside)
    registry = replace(
        REGISTRY,
        registry_zone_id=zones[PrivateService.REGISTRY],
        pull_principal_id=cluster.kubelet_principal_id,
        **inside,
    )
    answers = {
        "postgres": AzurePostgres("state", replace(postgres, workspace_id=logs.workspace_id), opts).endpoint,
        "redis": AzureRedis("cache", redis, opts).endpoint,
        "registry": AzureRegistry("images", replace(registry, workspace_id=logs.workspace_id), opts).server,
        "address": AzureIngress(
            "door", replace(INGRESS, control_principal_id=cluster.control_principal_id), opts
        ).address,
    }
    pods = replace(POD_IDENTITY, oidc_issuer=cluster.oidc_issuer, scope=store.container_id)
    answers["workers"] = AksPodIdentity("workers", pods, opts).client_id
    AzureModelReplication(
        "copies",
        replace(REPLICATION, source_account=store.account.name, source_account_id=store.account_id),
        opts,
    )
    AzureThreatDetection("threats", THREATS, opts)
    return answers | {
        "kubeconfig": cluster.kubeconfig,
        "issuer": cluster.oidc_issuer,
        "des": keys.disk_encryption_set_id,
    }


def pool(opts: pulumi.ResourceOptions, **changes: Any) -> AksNodePool:
    """A pool of workers whose shape has these changes."""
    return AksNodePool("workers", replace(POOL, shape=replace(WORKERS, **changes)), opts)
