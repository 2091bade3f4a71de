"""Objects of cert-manager: issuers and certificates.

`certificates` declares those of the API, `cluster_tls` those of the traffic between coordinators and workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi

from novacron_infra.workloads.custom_resources import KEY, CustomKind

CERTIFICATE = CustomKind(api_version="cert-manager.io/v1", kind="Certificate")
ISSUER = CustomKind(api_version="cert-manager.io/v1", kind="Issuer")
CLUSTER_ISSUER = CustomKind(api_version="cert-manager.io/v1", kind="ClusterIssuer")
CERT_MANAGER = "cert-manager"
"""Namespace and service account of cert-manager. The Secrets of ClusterIssuers are in this namespace too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceAccountRef:
    """The service account whose token a role trusts."""

    name: str = CERT_MANAGER


@dataclass(frozen=True, kw_only=True, slots=True)
class KubernetesAuth:
    """A token of a service account."""

    service_account_ref: ServiceAccountRef = field(default_factory=ServiceAccountRef)


@dataclass(frozen=True, kw_only=True, slots=True)
class Route53Auth:
    """How cert-manager signs in to AWS, from a cluster in any cloud."""

    kubernetes: KubernetesAuth = field(default_factory=KubernetesAuth)


@dataclass(frozen=True, kw_only=True, slots=True)
class Route53Solver:
    """A hosted zone of Route 53."""

    zone_id: pulumi.Input[str] = field(metadata={KEY: "hostedZoneID"})
    role: pulumi.Input[str]
    """ARN of the role that may change its TXT records."""
    region: str = "us-east-1"
    """Region of the STS endpoint."""
    auth: Route53Auth = field(default_factory=Route53Auth)


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudDnsSolver:
    """A managed zone of Cloud DNS. cert-manager's service account has the right to change it."""

    project: str
    hosted_zone_name: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class ManagedIdentity:
    """An identity that trusts cert-manager's service account."""

    client_id: pulumi.Input[str] = field(metadata={KEY: "clientID"})


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureDnsSolver:
    """A zone of Azure DNS."""

    subscription_id: str = field(metadata={KEY: "subscriptionID"})
    resource_group_name: pulumi.Input[str]
    hosted_zone_name: pulumi.Input[str]
    managed_identity: ManagedIdentity


DnsSolver = Route53Solver | CloudDnsSolver | AzureDnsSolver
"""The zone where cert-manager proves that it controls a domain."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dns01:
    """A proof by a TXT record: one of the three zones."""

    route53: Route53Solver | None = None
    cloud_dns: CloudDnsSolver | None = field(default=None, metadata={KEY: "cloudDNS"})
    azure_dns: AzureDnsSolver | None = field(default=None, metadata={KEY: "azureDNS"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Solver:
    """How cert-manager proves that it controls a domain."""

    dns01: Dns01


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretRef:
    """A Secret."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Acme:
    """An issuer with the ACME protocol, such as Let's Encrypt."""

    server: str
    private_key_secret_ref: SecretRef
    """Secret with the key of the account."""
    solvers: tuple[Solver, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfSigned:
    """An issuer that signs each certificate with the certificate's own key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ca:
    """A certificate authority in a Secret."""

    secret_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuerSpec:
    """The specification of an Issuer or ClusterIssuer: one of the three."""

    acme: Acme | None = None
    self_signed: SelfSigned | None = None
    ca: Ca | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuerRef:
    """The issuer of a certificate."""

    name: str
    kind: str = CLUSTER_ISSUER.kind


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivateKey:
    """The private key of a certificate."""

    rotation_policy: str = "Always"
    """`Always`: a renewed certificate has a new key. `Never`: it keeps its key."""
    algorithm: str = "ECDSA"
    size: int = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateSpec:
    """The specification of a Certificate."""

    secret_name: str
    issuer_ref: IssuerRef
    duration: str
    renew_before: str
    private_key: PrivateKey = field(default_factory=PrivateKey)
    is_ca: bool | None = field(default=None, metadata={KEY: "isCA"})
    common_name: str | None = None
    dns_names: Sequence[pulumi.Input[str]] | None = None
    ip_addresses: Sequence[pulumi.Input[str]] | None = None
    usages: tuple[str, ...] | None = None
