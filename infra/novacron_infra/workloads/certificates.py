"""Certificates of the API, which cert-manager issues and renews, and their issuers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.workloads.custom_resources import KEY, CustomKind, declare_custom_resource
from novacron_infra.workloads.names import NAMESPACE
from novacron_infra.workloads.pods import label_object

CERTIFICATE = CustomKind(api_version="cert-manager.io/v1", kind="Certificate")
ISSUER = CustomKind(api_version="cert-manager.io/v1", kind="Issuer")
CLUSTER_ISSUER = CustomKind(api_version="cert-manager.io/v1", kind="ClusterIssuer")
CERT_MANAGER = "cert-manager"
"""Namespace and service account of cert-manager."""
API_CERTIFICATE = "llm-api-tls"
"""Name of the API's certificate, of its issuer and of its Secret."""
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
_DURATION, _RENEW_BEFORE = "2160h0m0s", "720h0m0s"
"""90 days, renewed after 60. Let's Encrypt issues no other lifetime in its default profile."""


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
class _Dns01:
    route53: Route53Solver | None = None
    cloud_dns: CloudDnsSolver | None = field(default=None, metadata={KEY: "cloudDNS"})
    azure_dns: AzureDnsSolver | None = field(default=None, metadata={KEY: "azureDNS"})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Solver:
    dns01: _Dns01


@dataclass(frozen=True, kw_only=True, slots=True)
class _SecretRef:
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Acme:
    solvers: tuple[_Solver, ...]
    private_key_secret_ref: _SecretRef = field(default_factory=lambda: _SecretRef(name=f"{API_CERTIFICATE}-account"))
    server: str = LETS_ENCRYPT


@dataclass(frozen=True, kw_only=True, slots=True)
class _SelfSigned:
    """Each certificate is signed with its own key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _IssuerSpec:
    acme: _Acme | None = None
    self_signed: _SelfSigned | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _IssuerRef:
    kind: str
    name: str = API_CERTIFICATE


@dataclass(frozen=True, kw_only=True, slots=True)
class _PrivateKey:
    algorithm: str = "ECDSA"
    size: int = 256
    rotation_policy: str = "Always"


@dataclass(frozen=True, kw_only=True, slots=True)
class _CertificateSpec:
    issuer_ref: _IssuerRef
    dns_names: Sequence[pulumi.Input[str]] | None = None
    ip_addresses: Sequence[pulumi.Input[str]] | None = None
    secret_name: str = API_CERTIFICATE
    duration: str = _DURATION
    renew_before: str = _RENEW_BEFORE
    private_key: _PrivateKey = field(default_factory=_PrivateKey)
    usages: tuple[str, ...] = ("digital signature", "server auth")


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateNames:
    """The names or addresses that clients use."""

    dns_names: Sequence[pulumi.Input[str]] = field(default_factory=tuple)
    ip_addresses: Sequence[pulumi.Input[str]] = field(default_factory=tuple)


def declare_public_certificate(
    name: str, names: CertificateNames, solver: DnsSolver, opts: pulumi.ResourceOptions
) -> k8s.apiextensions.CustomResource:
    """Declare a certificate of Let's Encrypt for public DNS names, and its issuer.

    The issuer is the cluster's: only for those cert-manager uses its own identity.

    Args:
        name: how the names of the Pulumi resources begin.
        names: the names.
        solver: the zone of the names.
        opts: Pulumi's options.
    """
    match solver:
        case Route53Solver():
            dns01 = _Dns01(route53=solver)
        case CloudDnsSolver():
            dns01 = _Dns01(cloud_dns=solver)
        case AzureDnsSolver():
            dns01 = _Dns01(azure_dns=solver)
    spec = _IssuerSpec(acme=_Acme(solvers=(_Solver(dns01=dns01),)))
    needed: list[pulumi.Resource] = []
    if isinstance(solver, Route53Solver):
        needed += _allow_own_tokens(name, opts)
    issuer = declare_custom_resource(
        f"{name}-issuer",
        CLUSTER_ISSUER,
        label_object(API_CERTIFICATE, None, API_CERTIFICATE),
        spec,
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=needed)),
    )
    return _declare_certificate(name, names, CLUSTER_ISSUER.kind, issuer, opts)


def declare_self_signed_certificate(
    name: str, names: CertificateNames, opts: pulumi.ResourceOptions
) -> k8s.apiextensions.CustomResource:
    """Declare a certificate that only clients accept which are given it, and its issuer.

    Args:
        name: how the names of the Pulumi resources begin.
        names: the names or addresses.
        opts: Pulumi's options.
    """
    spec = _IssuerSpec(self_signed=_SelfSigned())
    metadata = label_object(API_CERTIFICATE, NAMESPACE, API_CERTIFICATE)
    issuer = declare_custom_resource(f"{name}-issuer", ISSUER, metadata, spec, opts)
    return _declare_certificate(name, names, ISSUER.kind, issuer, opts)


def _declare_certificate(
    name: str, names: CertificateNames, issuer_kind: str, issuer: pulumi.Resource, opts: pulumi.ResourceOptions
) -> k8s.apiextensions.CustomResource:
    spec = _CertificateSpec(
        issuer_ref=_IssuerRef(kind=issuer_kind),
        dns_names=names.dns_names or None,
        ip_addresses=names.ip_addresses or None,
    )
    return declare_custom_resource(
        f"{name}-certificate",
        CERTIFICATE,
        label_object(API_CERTIFICATE, NAMESPACE, API_CERTIFICATE),
        spec,
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[issuer])),
    )


def _allow_own_tokens(name: str, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """Let cert-manager create tokens of its own service account, which the role in AWS trusts."""
    tokens = f"{CERT_MANAGER}-tokens"
    role = k8s.rbac.v1.Role(
        f"{name}-tokens",
        metadata=label_object(tokens, CERT_MANAGER, tokens),
        rules=[
            k8s.rbac.v1.PolicyRuleArgs(
                api_groups=[""], resources=["serviceaccounts/token"], resource_names=[CERT_MANAGER], verbs=["create"]
            )
        ],
        opts=opts,
    )
    binding = k8s.rbac.v1.RoleBinding(
        f"{name}-tokens",
        metadata=label_object(tokens, CERT_MANAGER, tokens),
        role_ref=k8s.rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=tokens),
        subjects=[k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=CERT_MANAGER, namespace=CERT_MANAGER)],
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[role])),
    )
    return [role, binding]
