"""Services of a cloud for the serving stack of a region. Each cloud's `serving` module describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from novacron_infra.regions import POSTGRES_NAME
from novacron_infra.workloads.external_secrets import SecretManager
from novacron_infra.workloads.serving_args import ClusterTrust, Identities, ModelStoreAccess, PortRange


@dataclass(frozen=True, kw_only=True, slots=True)
class ManagedDatabase:
    """The Postgres server of a region."""

    endpoint: pulumi.Input[str]
    """Host and port."""
    port: int
    login: pulumi.Input[str]
    """Name or ARN of the login in the secret manager."""
    ca_certificate: pulumi.Input[str] | None = None
    """PEM of the certificate authority. It signs certificates of this server only, which do not have its host."""
    public_certificate: bool = False
    """Whether the certificate has the host of `endpoint`, and is of an authority that the image trusts.

    Without it and without `ca_certificate`, the connection is encrypted, and the server is not verified.
    """
    database: str = POSTGRES_NAME
    user: str = POSTGRES_NAME
    secrets: SecretManager | None = None
    """The secret manager of `login`. None: the region's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ManagedRedis:
    """The Redis-compatible service of a region, which has TLS."""

    endpoint: pulumi.Input[str]
    """Host and port."""
    ports: tuple[PortRange, ...]
    """The port of `endpoint`, and those of a cluster's nodes if they differ."""
    cluster: bool
    """Whether clients speak the protocol of a cluster."""
    login: pulumi.Input[str] | None
    """Name or ARN of the login in the secret manager. None: the coordinators' cloud identity signs in."""
    ca_certificate: pulumi.Input[str] | None = None
    """PEM of the certificate authority. None: one that the image trusts."""
    one_host: bool = False
    """Whether all nodes of a cluster have the host of `endpoint`, at ports of their own."""
    secrets: SecretManager | None = None
    """The secret manager of `login`. None: the region's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetGroup:
    """A load balancer's target group, in which a controller registers the coordinators' pods."""

    arn: pulumi.Input[str]
    address: pulumi.Input[str]
    """Name of the load balancer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReservedAddress:
    """An address that the cloud gives to a Service of type LoadBalancer."""

    address: pulumi.Input[str]
    """IPv4."""
    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """The Service's annotations, which name the address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudServices:
    """Identities, databases, registry, model store and ingress of a region."""

    trust: ClusterTrust
    identities: Identities
    secrets: SecretManager
    database: ManagedDatabase
    redis: ManagedRedis
    registry: pulumi.Input[str]
    """Prefix of the names of images in the region's registry. A plain value, if policies are to check the images."""
    store: ModelStoreAccess
    ingress: TargetGroup | ReservedAddress
