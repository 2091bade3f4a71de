"""`regions[].existing`: things of a region that exist. NovaCron uses them, and never changes or deletes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novacron_infra.config.sections.base import Name, Section, TextPattern
from novacron_infra.config.sections.networks import RegionNetwork

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
_SUBSCRIPTION = r"/subscriptions/[0-9a-fA-F-]{36}/resourceGroups/[\w().-]+"
_EXAMPLE_GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/hub"
AzureNetworkId = Annotated[
    str,
    TextPattern(
        rf"{_SUBSCRIPTION}/providers/Microsoft\.Network/virtualNetworks/[\w.-]+",
        "a virtual network is written as its resource id",
        f"{_EXAMPLE_GROUP}/providers/Microsoft.Network/virtualNetworks/spoke",
    ),
]
AzureGroupId = Annotated[
    str, TextPattern(_SUBSCRIPTION, "a resource group is written as its resource id", _EXAMPLE_GROUP)
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
        rf"{_SUBSCRIPTION}/providers/Microsoft\.Storage/storageAccounts/[a-z0-9]{{3,24}}"
        r"/blobServices/default/containers/[a-z0-9-]{3,63}",
        "a container is written as its resource id",
        f"{_EXAMPLE_GROUP}/providers/Microsoft.Storage/storageAccounts/acme/blobServices/default/containers/models",
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
        rf"{_SUBSCRIPTION}/providers/Microsoft\.ContainerRegistry/registries/[a-zA-Z0-9]{{5,50}}",
        "a registry is written as its resource id",
        f"{_EXAMPLE_GROUP}/providers/Microsoft.ContainerRegistry/registries/acmeimages",
    ),
]


class ExistingAwsNetwork(Section):
    """A VPC that exists, with its subnets."""

    vpc_id: VpcId
    """Id of the VPC. `network` of the region is one of its networks."""
    private_subnets: Annotated[dict[Name, SubnetId], Field(min_length=1)]
    """Subnet of the nodes in each zone of the region, by the zone's name."""
    public_subnets: Annotated[dict[Name, SubnetId], Field(min_length=1)]
    """Subnet of the load balancer in each zone of the region, by the zone's name."""


class ExistingGoogleNetwork(Section):
    """A VPC network that exists, for example the shared VPC of a host project."""

    network: GoogleNetworkId
    """The network, with its project."""
    subnet: GoogleSubnetId
    """Subnet of the nodes, in the region. `network` of the region contains its primary range."""
    pods_range: Name = "pods"
    """Name of the subnet's secondary range that pods have their addresses from."""
    services_range: Name = "services"
    """Name of the subnet's secondary range that Kubernetes services have their addresses from."""
    fabric: RegionNetwork | None = None
    """Addresses of the networks between GPUs, which are created.
    A private network of /16 to /20 that nothing else in `network` has. Needed where a machine has such a fabric."""


class ExistingAzureNetwork(Section):
    """A virtual network that exists, for example a spoke of a hub."""

    vnet_id: AzureNetworkId
    """Resource id of the virtual network. `network` of the region is one of its networks."""
    nodes_subnet: Name
    """Name of the subnet of the nodes."""
    api_server_subnet: Name
    """Name of the subnet of the cluster's control plane, which is delegated to AKS and has nothing else."""
    endpoints_subnet: Name
    """Name of the subnet of private endpoints."""
    private_dns_group: AzureGroupId | None = None
    """Resource group with the private DNS zones of Azure's services, linked to the network.
    Without it, the zones are created and linked."""


class ExistingAwsBucket(Section):
    """An S3 bucket that exists."""

    name: S3BucketName
    """Name of the bucket, which is in the region."""
    key_arn: KeyArn | None = None
    """ARN of the KMS key that encrypts its objects. Without it, S3 encrypts them with keys of its own."""


class ExistingAws(Section):
    """Things of a region on AWS that exist."""

    network: ExistingAwsNetwork | None = None
    """The VPC. Without it, one is created."""
    bucket: ExistingAwsBucket | None = None
    """The bucket of the models and the configuration, in place of one named after `model.store.bucket`."""
    registry: EcrPrefix | None = None
    """Prefix of the names of images in ECR. Without it, repositories are created."""


class ExistingGoogle(Section):
    """Things of a region on Google Cloud that exist."""

    network: ExistingGoogleNetwork | None = None
    """The VPC network. Without it, one is created."""
    bucket: GoogleBucketName | None = None
    """The bucket of the models and the configuration, in place of one named after `model.store.bucket`."""
    registry: ArtifactRegistryPrefix | None = None
    """Repository in Artifact Registry, as in names of images. Without it, one is created."""


class ExistingAzure(Section):
    """Things of a region on Azure that exist."""

    network: ExistingAzureNetwork | None = None
    """The virtual network. Without it, one is created."""
    container: AzureContainerId | None = None
    """Resource id of the container of the models and the configuration.
    It takes the place of one named after `model.store.bucket`."""
    registry: AzureRegistryId | None = None
    """Resource id of the container registry. Without it, one is created."""


class Existing(Section):
    """Things of a region that exist, below the name of its cloud."""

    aws: ExistingAws | None = None
    """In a region on AWS."""
    gcp: ExistingGoogle | None = None
    """In a region on Google Cloud."""
    azure: ExistingAzure | None = None
    """In a region on Azure."""
