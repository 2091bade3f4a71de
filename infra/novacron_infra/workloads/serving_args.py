"""Arguments of ServingStack that are more than one value: GPU workers, identities, the model store and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pulumi

from novacron_infra.config.sections.own_databases import OwnPostgres, OwnRedis
from novacron_infra.plan.serving import WorkerGroup
from novacron_infra.stores import make_nfs_address
from novacron_infra.workloads.names import POSTGRES, REDIS
from novacron_infra.workloads.serving_contract import POSTGRES_PORT, REDIS_PORT


@dataclass(frozen=True, kw_only=True, slots=True)
class NfsMount:
    """A file system that pods mount over NFS, read only: EFS, Filestore, Azure Files or a server of your own."""

    server: pulumi.Input[str]
    """Name or address, such as `fs-0123.efs.us-west-2.amazonaws.com`."""
    path: pulumi.Input[str] = "/"
    """The folder that the server exports."""
    url: pulumi.Input[str]
    """URL of that folder, with which the URLs of its models begin: `efs://fs-0123` or `nfs://server/export`."""


def make_nfs_mount(export: pulumi.Input[str]) -> NfsMount:
    """Return the mount of `server:/export`."""
    known = pulumi.Output.from_input(export)
    return NfsMount(
        server=known.apply(lambda text: text.partition(":")[0]),
        path=known.apply(lambda text: text.partition(":")[2]),
        url=known.apply(make_nfs_address),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelStoreAccess:
    """The store that workers download models from."""

    url: pulumi.Input[str]
    """URL of the models with their prefix, as the output `model_store` of a region: `s3://bucket/models`."""
    mount: NfsMount | None = None
    """The mount of a store that is a file system. None: an object store, which workers read over HTTPS."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuWorkers:
    """Workers with TensorRT-LLM on GPUs, as the plan of a region decides."""

    groups: tuple[WorkerGroup, ...]
    store: ModelStoreAccess


@dataclass(frozen=True, kw_only=True, slots=True)
class PodIdentity:
    """How the pods of a service account sign in to their cloud."""

    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Annotations of the service account: the role on AWS, the account on Google Cloud, the client on Azure."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the service account and of its pods: `azure.workload.identity/use` on Azure."""
    metadata_server: bool = False
    """Whether pods get their credentials from a link-local address of the node: GKE, and EKS Pod Identity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identities:
    """The identities of the two service accounts. By default they have none."""

    coordinators: PodIdentity = field(default_factory=PodIdentity)
    workers: PodIdentity = field(default_factory=PodIdentity)


@dataclass(frozen=True, kw_only=True, slots=True)
class PortRange:
    """Ports of a service that coordinators connect to."""

    first: pulumi.Input[int]
    last: int | None = None
    """None: `first` is the only port."""


def find_ports(url: pulumi.Input[str] | None, default: int) -> tuple[PortRange, ...]:
    """Return the port of a URL, or `default` if it names none. No URL has no port."""
    if url is None:
        return ()
    known = pulumi.Output.from_input(url).apply(lambda text: urlsplit(text).port or default)
    return (PortRange(first=pulumi.Output.unsecret(known)),)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceLogin:
    """How coordinators sign in to a service whose URL has no password.

    The files are in the service's folder of `serving_contract`.
    """

    password_secret: str | None = None
    """Name of a Secret in the coordinators' namespace that something else creates, such as external-secrets.

    Its key `password` is read for every new connection, so a new password needs no restart. Pods wait for it to exist.
    """
    ca_certificate: pulumi.Input[str] | None = None
    """PEM of the certificate authority, for a URL that names the file. None: there is no file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisLogin(ServiceLogin):
    """How coordinators sign in to a Redis-compatible service."""

    cluster: bool = False
    """Whether clients speak the protocol of a cluster."""
    one_host: bool = False
    """Whether all nodes of the cluster have the host of the URL, at ports of their own."""
    google: bool = False
    """Whether they sign in with access tokens of their Google service account, without a password."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnDatabases:
    """Servers for the coordinators that the stack runs in their namespace. Their passwords are generated."""

    postgres: OwnPostgres | None = None
    redis: OwnRedis | None = None

    @property
    def ports(self) -> dict[str, int]:
        """The ports of the servers, by the label of their pods."""
        servers = ((POSTGRES, self.postgres, POSTGRES_PORT), (REDIS, self.redis, REDIS_PORT))
        return {name: port for name, server, port in servers if server is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class StackImages:
    """The container images, if their registry is known only when it exists. Their names have digests."""

    coordinator: pulumi.Input[str]
    worker: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterTrust:
    """How clouds recognize the service accounts of a cluster, for those that change records of a DNS zone."""

    issuer: pulumi.Input[str]
    """URL of the cluster's OIDC issuer."""
    aws_provider_arn: pulumi.Input[str] | None = None
    """The issuer's ARN in IAM. None: it is not known there yet."""
    google_pool: pulumi.Input[str] | None = None
    """Workload identity pool of a cluster on Google Cloud."""
    azure_resource_group: pulumi.Input[str] | None = None
    """Resource group of a cluster on Azure, for its identities."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionStack:
    """The serving stack in a region's cluster."""

    endpoint: pulumi.Output[str]
    """Base URL of the API through the region's load balancer, with `/v1`."""
    namespace: pulumi.Output[str]
    """Namespace of the coordinators."""
    trust: ClusterTrust
    in_namespace: pulumi.ResourceOptions
    """Options of an object in the coordinators' namespace."""
