"""How ids of things that exist are written, in each cloud."""

from __future__ import annotations

from typing import Annotated

from novacron_infra.config.sections.base import TextPattern

VpcId = Annotated[
    str,
    TextPattern(r"vpc-([0-9a-f]{8}|[0-9a-f]{17})", "a VPC id is vpc- and 8 or 17 hexadecimal digits", "vpc-0a1b2c3d"),
]
SubnetId = Annotated[
    str,
    TextPattern(
        r"subnet-([0-9a-f]{8}|[0-9a-f]{17})",
        "a subnet id is subnet- and 8 or 17 hexadecimal digits",
        "subnet-0a1b2c3d",
    ),
]
EksClusterName = Annotated[
    str,
    TextPattern(
        r"[0-9A-Za-z][\w-]{0,99}",
        "a cluster is written as its name: letters, digits, hyphens and underscores, and no ARN",
        "acme",
    ),
]
GkeClusterId = Annotated[
    str,
    TextPattern(
        r"projects/[a-z0-9:.-]+/locations/[a-z0-9-]+/clusters/[a-z]([a-z0-9-]*[a-z0-9])?",
        "a GKE cluster is written projects/PROJECT/locations/REGION/clusters/NAME",
        "projects/acme-prod/locations/us-central1/clusters/acme",
    ),
]
GoogleNetworkId = Annotated[
    str,
    TextPattern(
        r"projects/[a-z0-9:.-]+/global/networks/[a-z]([a-z0-9-]*[a-z0-9])?",
        "a network is written projects/PROJECT/global/networks/NAME",
        "projects/acme-host/global/networks/shared",
    ),
]
GoogleSubnetId = Annotated[
    str,
    TextPattern(
        r"projects/[a-z0-9:.-]+/regions/[a-z0-9-]+/subnetworks/[a-z]([a-z0-9-]*[a-z0-9])?",
        "a subnet is written projects/PROJECT/regions/REGION/subnetworks/NAME",
        "projects/acme-host/regions/us-central1/subnetworks/nodes",
    ),
]
GROUP_PATTERN = r"/subscriptions/[0-9a-fA-F-]{36}/resourceGroups/[\w().-]+"
EXAMPLE_GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/hub"
AksClusterId = Annotated[
    str,
    TextPattern(
        rf"{GROUP_PATTERN}/providers/Microsoft\.ContainerService/managedClusters/[a-zA-Z0-9_-]{{1,63}}",
        "an AKS cluster is written as its resource id",
        f"{EXAMPLE_GROUP}/providers/Microsoft.ContainerService/managedClusters/acme",
    ),
]
AzureNetworkId = Annotated[
    str,
    TextPattern(
        rf"{GROUP_PATTERN}/providers/Microsoft\.Network/virtualNetworks/[\w.-]+",
        "a virtual network is written as its resource id",
        f"{EXAMPLE_GROUP}/providers/Microsoft.Network/virtualNetworks/spoke",
    ),
]
AzureGroupId = Annotated[
    str, TextPattern(GROUP_PATTERN, "a resource group is written as its resource id", EXAMPLE_GROUP)
]

S3BucketName = Annotated[
    str,
    TextPattern(
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "an S3 bucket has 3 to 63 lower-case letters, digits, dots and hyphens, and starts and ends with a letter or "
        "digit",
        "acme-models",
    ),
]
GoogleBucketName = Annotated[
    str,
    TextPattern(
        r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]",
        "a Cloud Storage bucket has lower-case letters, digits, dots, hyphens and underscores, and starts and ends "
        "with a letter or digit",
        "acme-models",
    ),
]
AzureContainerId = Annotated[
    str,
    TextPattern(
        rf"{GROUP_PATTERN}/providers/Microsoft\.Storage/storageAccounts/[a-z0-9]{{3,24}}"
        r"/blobServices/default/containers/[a-z0-9-]{3,63}",
        "a container is written as its resource id",
        f"{EXAMPLE_GROUP}/providers/Microsoft.Storage/storageAccounts/acme/blobServices/default/containers/models",
    ),
]
KeyArn = Annotated[
    str,
    TextPattern(
        r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9a-f-]{36}|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/mrk-[0-9a-f]{32}",
        "a key is written as its ARN, and not as that of an alias",
        "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000",
    ),
]

EcrPrefix = Annotated[
    str,
    TextPattern(
        r"[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/[a-z0-9]+([._/-][a-z0-9]+)*",
        "a prefix in ECR is written ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME",
        "123456789012.dkr.ecr.us-west-2.amazonaws.com/acme",
    ),
]
ArtifactRegistryPrefix = Annotated[
    str,
    TextPattern(
        r"[a-z0-9-]+-docker\.pkg\.dev/[a-z0-9:.-]+/[a-z]([a-z0-9-]*[a-z0-9])?",
        "a repository is written LOCATION-docker.pkg.dev/PROJECT/REPOSITORY",
        "us-central1-docker.pkg.dev/acme-prod/images",
    ),
]
AzureRegistryId = Annotated[
    str,
    TextPattern(
        rf"{GROUP_PATTERN}/providers/Microsoft\.ContainerRegistry/registries/[a-zA-Z0-9]{{5,50}}",
        "a registry is written as its resource id",
        f"{EXAMPLE_GROUP}/providers/Microsoft.ContainerRegistry/registries/acmeimages",
    ),
]

GoogleKeyName = Annotated[
    str,
    TextPattern(
        r"projects/[a-z0-9:.-]+/locations/[a-z0-9-]+/keyRings/[\w-]{1,63}/cryptoKeys/[\w-]{1,63}",
        "a key is written projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/NAME",
        "projects/acme-keys/locations/us-central1/keyRings/models/cryptoKeys/storage",
    ),
]
AzureKeyId = Annotated[
    str,
    TextPattern(
        rf"{GROUP_PATTERN}/providers/Microsoft\.KeyVault/vaults/[a-zA-Z0-9-]{{3,24}}/keys/[a-zA-Z0-9-]{{1,127}}",
        "a key is written as its resource id, without a version",
        f"{EXAMPLE_GROUP}/providers/Microsoft.KeyVault/vaults/acme-keys/keys/storage",
    ),
]
