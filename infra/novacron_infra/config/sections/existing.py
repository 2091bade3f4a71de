"""`regions[].existing`: things of a region that exist. NovaCron uses them, and never changes or deletes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novacron_infra.config.sections.base import Name, Section
from novacron_infra.config.sections.existing_databases import (
    ExistingAwsPostgres,
    ExistingAwsRedis,
    ExistingAzurePostgres,
    ExistingAzureRedis,
    ExistingGooglePostgres,
    MemorystoreCluster,
)
from novacron_infra.config.sections.existing_ids import (
    AksClusterId,
    ArtifactRegistryPrefix,
    AzureContainerId,
    AzureGroupId,
    AzureKeyId,
    AzureNetworkId,
    AzureRegistryId,
    EcrPrefix,
    EksClusterName,
    GkeClusterId,
    GoogleBucketName,
    GoogleKeyName,
    GoogleNetworkId,
    GoogleSubnetId,
    KeyArn,
    S3BucketName,
    SubnetId,
    VpcId,
)
from novacron_infra.config.sections.networks import RegionNetwork


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
    endpoints_subnet: Name
    """Name of the subnet of private endpoints."""
    api_server_subnet: Name | None = None
    """Name of the subnet of the cluster's control plane, which is delegated to AKS and has nothing else.
    Needed unless `cluster_id` names a cluster that exists."""
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
    cluster: EksClusterName | None = None
    """The EKS cluster, which is in `network`: its name. The region adds node pools to it.
    Without it, a cluster is created."""
    bucket: ExistingAwsBucket | None = None
    """The bucket of the models and the configuration, in place of one named after `model.store.bucket`."""
    registry: EcrPrefix | None = None
    """Prefix of the names of images in ECR. Without it, repositories are created."""
    key_arn: KeyArn | None = None
    """ARN of the KMS key that encrypts everything the region stores.
    That is the cluster's secrets, disks, models, databases, images and logs. Without it, three keys are created."""
    postgres: ExistingAwsPostgres | None = None
    """Postgres. Without it, an RDS instance is created."""
    redis: ExistingAwsRedis | None = None
    """Redis. Without it, a replication group of ElastiCache is created."""


class ExistingGoogle(Section):
    """Things of a region on Google Cloud that exist."""

    network: ExistingGoogleNetwork | None = None
    """The VPC network. Without it, one is created."""
    cluster: GkeClusterId | None = None
    """The GKE cluster, which is in `network`: with its project and region. The region adds node pools to it.
    Without it, a cluster is created."""
    bucket: GoogleBucketName | None = None
    """The bucket of the models and the configuration, in place of one named after `model.store.bucket`."""
    registry: ArtifactRegistryPrefix | None = None
    """Repository in Artifact Registry, as in names of images. Without it, one is created."""
    key: GoogleKeyName | None = None
    """Cloud KMS key that encrypts everything the region stores.
    That is the cluster's secrets, disks, models, databases and images. Without it, two keys are created."""
    postgres: ExistingGooglePostgres | None = None
    """Postgres. Without it, an instance of Cloud SQL is created."""
    redis: MemorystoreCluster | None = None
    """Cluster of Memorystore for Redis. Without it, one is created."""


class ExistingAzure(Section):
    """Things of a region on Azure that exist."""

    network: ExistingAzureNetwork | None = None
    """The virtual network. Without it, one is created."""
    cluster_id: AksClusterId | None = None
    """Resource id of the AKS cluster, which is in `network`. The region adds node pools to it.
    Without it, a cluster is created."""
    container: AzureContainerId | None = None
    """Resource id of the container of the models and the configuration.
    It takes the place of one named after `model.store.bucket`."""
    registry: AzureRegistryId | None = None
    """Resource id of the container registry. Without it, one is created."""
    key_id: AzureKeyId | None = None
    """Resource id of the Key Vault key that encrypts everything the region stores.
    That is the cluster's secrets, disks, models, databases and images. Without it, two keys are created."""
    postgres: ExistingAzurePostgres | None = None
    """Postgres. Without it, a flexible server is created."""
    redis: ExistingAzureRedis | None = None
    """Redis. Without it, an Azure Managed Redis is created."""


class Existing(Section):
    """Things of a region that exist, below the name of its cloud."""

    aws: ExistingAws | None = None
    """In a region on AWS."""
    gcp: ExistingGoogle | None = None
    """In a region on Google Cloud."""
    azure: ExistingAzure | None = None
    """In a region on Azure."""

    @property
    def cluster(self) -> str | None:
        """The cluster that exists, as its cloud names it."""
        found = (
            self.aws.cluster if self.aws else None,
            self.gcp.cluster if self.gcp else None,
            self.azure.cluster_id if self.azure else None,
        )
        return next((cluster for cluster in found if cluster is not None), None)
