"""Components that no environment uses, on all three clouds."""

import pulumi
import pulumi_aws as aws
import pulumi_azure_native as azure_native
import pulumi_gcp as gcp
from novacron_infra.aws import AwsLustre, AwsLustreArgs
from novacron_infra.azure import AzureLustre, AzureLustreArgs, CustomerKey
from novacron_infra.config import Platform
from novacron_infra.dns import AddressKind
from novacron_infra.gcp import DiskAccess, GcpLustre, GcpLustreArgs, GcpModelDisk, GcpModelDiskArgs
from novacron_infra.multi_language.aws import AwsGpuRegion, EksGpuPool
from novacron_infra.multi_language.azure import AksGpuPool
from novacron_infra.multi_language.dns import GlobalEndpoint
from novacron_infra.multi_language.gcp import GkeGpuPool
from novacron_infra.multi_language.pools import PoolShape
from novacron_infra.tags import Tags

TAGS = Tags(environment="research")
SUBNETS = "/subscriptions/0/resourceGroups/gpu/providers/Microsoft.Network/virtualNetworks/gpu/subnets"
POOL: PoolShape = {"machine": "p5.48xlarge", "nodes": 2, "zones": ["us-west-2a"]}

on_aws = pulumi.ResourceOptions(providers=[aws.Provider("aws", region="us-west-2")])
on_gcp = pulumi.ResourceOptions(providers=[gcp.Provider("gcp", project="acme-research", region="us-central1")])
on_azure = pulumi.ResourceOptions(
    providers=[azure_native.Provider("azure", subscription_id="00000000-0000-0000-0000-000000000000")]
)

AwsLustre(
    "aws-lustre",
    AwsLustreArgs(
        capacity_gib=4800,
        subnet_id="subnet-1",
        security_group_ids=("sg-1",),
        key_arn="arn:aws:kms:us-west-2:123456789012:key/1",
        tags=TAGS,
        bucket="research-models",
    ),
    on_aws,
)
GcpLustre(
    "gcp-lustre",
    GcpLustreArgs(
        zone="us-central1-a",
        capacity_gib=18_000,
        network_id="projects/acme-research/global/networks/gpu",
        key_id="projects/acme-research/locations/us-central1/keyRings/gpu/cryptoKeys/storage",
        tags=TAGS,
    ),
    on_gcp,
)
GcpModelDisk(
    "gcp-disk",
    GcpModelDiskArgs(
        zone="us-central1-a",
        size_gib=1024,
        throughput_mib_per_s=2048,
        key_id="projects/acme-research/locations/us-central1/keyRings/gpu/cryptoKeys/storage",
        tags=TAGS,
        access=DiskAccess.FILL,
    ),
    on_gcp,
)
AzureLustre(
    "azure-lustre",
    AzureLustreArgs(
        region="eastus",
        resource_group="gpu",
        zone="1",
        capacity_tib=8,
        subnet_id=f"{SUBNETS}/lustre",
        key=CustomerKey(
            vault_id="/subscriptions/0/resourceGroups/gpu/providers/Microsoft.KeyVault/vaults/gpu",
            vault_uri="https://gpu.vault.azure.net",
            name="storage",
            uri="https://gpu.vault.azure.net/keys/storage",
            versioned_uri="https://gpu.vault.azure.net/keys/storage/1",
            identity_id="/subscriptions/0/resourceGroups/gpu/providers/Microsoft.ManagedIdentity/userAssignedIdentities/gpu",
            identity_client_id="00000000-0000-0000-0000-000000000002",
        ),
        tags=TAGS,
    ),
    on_azure,
)
EksGpuPool(
    "eks",
    {
        "shape": POOL,
        "cluster_name": "gpu",
        "cluster_security_group_id": "sg-1",
        "kubernetes_version": "1.35",
        "subnet_ids": {"us-west-2a": "subnet-1"},
        "disk_key_arn": "arn:aws:kms:us-west-2:123456789012:key/1",
        "tags": {"environment": "research"},
    },
    on_aws,
)
GkeGpuPool(
    "gke",
    {
        "shape": {"machine": "a3-highgpu-8g", "nodes": 2, "zones": ["us-central1-a"]},
        "region": "us-central1",
        "cluster_name": "gpu",
        "node_account_email": "nodes@acme-research.iam.gserviceaccount.com",
        "disk_key_id": "projects/acme-research/locations/us-central1/keyRings/gpu/cryptoKeys/storage",
        "tags": {"environment": "research"},
    },
    on_gcp,
)
AksGpuPool(
    "aks",
    {
        "shape": {"machine": "Standard_ND96isr_H100_v5", "nodes": 2},
        "pool": "gpus",
        "region": "eastus",
        "resource_group": "gpu",
        "cluster_name": "gpu",
        "control_principal_id": "00000000-0000-0000-0000-000000000001",
        "kubernetes_version": "1.35",
        "subnet_id": f"{SUBNETS}/nodes",
        "tags": {"environment": "research"},
    },
    on_azure,
)
region = AwsGpuRegion(
    "research",
    {
        "region": "us-west-2",
        "zones": ["us-west-2a", "us-west-2b"],
        "network": "10.0.0.0/16",
        "zone_networks": {
            # Those that the version before gave by position.
            "us-west-2a": {"nodes": "10.0.0.0/18", "load_balancers": "10.0.192.0/20"},
            "us-west-2b": {"nodes": "10.0.64.0/18", "load_balancers": "10.0.208.0/20"},
        },
        "kubernetes_version": "1.35",
        "admins": ["arn:aws:iam::123456789012:role/operators"],
        "coordinators": {"machine": "c6i.8xlarge", "nodes": 2, "zones": ["us-west-2a", "us-west-2b"]},
        "workers": {"workers": POOL},
        "bucket": "research-models",
        "postgres_storage_gib": 100,
        "redis_nodes": 6,
        "redis_password": pulumi.Output.secret("a password of the test's own"),
        "tags": {"environment": "research"},
    },
    on_aws,
)
GlobalEndpoint(
    "endpoint",
    {
        "domain": "api.example.com",
        "regions": [
            {
                "name": "us-west-2",
                "dns_label": "us",
                "weight": 1,
                "platform": Platform.AWS,
                "address": region.ingress_address,
                "address_kind": AddressKind.HOSTNAME,
            },
            {
                "name": "europe-west4",
                "dns_label": "eu",
                "weight": 1,
                "platform": Platform.GCP,
                "address": "203.0.113.7",
                "address_kind": AddressKind.IPV4,
                "nearest": "eu-central-1",
            },
        ],
        "route53": {"zone_name": "example.com"},
        "probe": {"path": "/ready"},
    },
    on_aws,
)
