"""The API's certificate, which cert-manager issues and renews, and its issuer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.workloads.cert_manager import (
    CERT_MANAGER,
    CERTIFICATE,
    CLUSTER_ISSUER,
    ISSUER,
    Acme,
    AzureDnsSolver,
    CertificateSpec,
    CloudDnsSolver,
    Dns01,
    DnsSolver,
    IssuerRef,
    IssuerSpec,
    Route53Solver,
    SecretRef,
    SelfSigned,
    Solver,
)
from novacron_infra.workloads.custom_resources import CustomKind, declare_custom_resource
from novacron_infra.workloads.names import NAMESPACE
from novacron_infra.workloads.options import after
from novacron_infra.workloads.pods import label_object

API_CERTIFICATE = "llm-api-tls"
"""Name of the API's certificate, of its issuer and of its Secret."""
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
ACCOUNT_TIMEOUT_S = 120
"""`up` waits until the issuer has an account, at most this long. A cluster without a way to the internet gets none."""
_DURATION, _RENEW_BEFORE = "2160h0m0s", "720h0m0s"
"""90 days, renewed after 60. Let's Encrypt issues no other lifetime in its default profile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateNames:
    """The names or addresses that clients use."""

    dns_names: Sequence[pulumi.Input[str]] = field(default_factory=tuple)
    ip_addresses: Sequence[pulumi.Input[str]] = field(default_factory=tuple)


def declare_public_certificate(
    name: str, names: CertificateNames, solver: DnsSolver, opts: pulumi.ResourceOptions
) -> k8s.apiextensions.CustomResource:
    """Declare a certificate of Let's Encrypt for public DNS names, and its issuer.

    The issuer is a ClusterIssuer: cert-manager uses its own identity for these only, not for Issuers.

    Args:
        name: how the names of the Pulumi resources begin.
        names: the names.
        solver: the zone of the names.
        opts: Pulumi's options.
    """
    match solver:
        case Route53Solver():
            dns01 = Dns01(route53=solver)
        case CloudDnsSolver():
            dns01 = Dns01(cloud_dns=solver)
        case AzureDnsSolver():
            dns01 = Dns01(azure_dns=solver)
    account_key = SecretRef(name=f"{API_CERTIFICATE}-account")
    acme = Acme(server=LETS_ENCRYPT, private_key_secret_ref=account_key, solvers=(Solver(dns01=dns01),))
    needed: list[pulumi.Resource] = []
    if isinstance(solver, Route53Solver):
        needed += _allow_own_tokens(name, opts)
    metadata = label_object(API_CERTIFICATE, None, API_CERTIFICATE)
    metadata.annotations = {
        "pulumi.com/waitFor": "condition=Ready",
        "pulumi.com/timeoutSeconds": str(ACCOUNT_TIMEOUT_S),
    }
    issuer = declare_custom_resource(
        f"{name}-issuer",
        CLUSTER_ISSUER,
        metadata,
        IssuerSpec(acme=acme),
        after(opts, *needed),
    )
    return _declare_certificate(name, names, CLUSTER_ISSUER, issuer, opts)


def declare_self_signed_certificate(
    name: str, names: CertificateNames, opts: pulumi.ResourceOptions
) -> k8s.apiextensions.CustomResource:
    """Declare a certificate that clients accept only if they have a copy of it, and its issuer.

    Args:
        name: how the names of the Pulumi resources begin.
        names: the names or addresses.
        opts: Pulumi's options.
    """
    spec = IssuerSpec(self_signed=SelfSigned())
    metadata = label_object(API_CERTIFICATE, NAMESPACE, API_CERTIFICATE)
    issuer = declare_custom_resource(f"{name}-issuer", ISSUER, metadata, spec, opts)
    return _declare_certificate(name, names, ISSUER, issuer, opts)


def _declare_certificate(
    name: str, names: CertificateNames, issuer_kind: CustomKind, issuer: pulumi.Resource, opts: pulumi.ResourceOptions
) -> k8s.apiextensions.CustomResource:
    spec = CertificateSpec(
        secret_name=API_CERTIFICATE,
        issuer_ref=IssuerRef(kind=issuer_kind.kind, name=API_CERTIFICATE),
        dns_names=names.dns_names or None,
        ip_addresses=names.ip_addresses or None,
        duration=_DURATION,
        renew_before=_RENEW_BEFORE,
        usages=("digital signature", "server auth"),
    )
    return declare_custom_resource(
        f"{name}-certificate",
        CERTIFICATE,
        label_object(API_CERTIFICATE, NAMESPACE, API_CERTIFICATE),
        spec,
        after(opts, issuer),
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
        opts=after(opts, role),
    )
    return [role, binding]
