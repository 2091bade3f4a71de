"""Secrets of the region's secret manager, which External Secrets Operator copies into Secrets and renews.

The operator signs in as the coordinators' service account, which may read these secrets and no others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.workloads.custom_resources import KEY, CustomKind, declare_custom_resource
from novacron_infra.workloads.names import COORDINATOR_SERVICE_ACCOUNT, NAMESPACE
from novacron_infra.workloads.pods import label_object

SECRET_STORE = CustomKind(api_version="external-secrets.io/v1", kind="SecretStore")
EXTERNAL_SECRET = CustomKind(api_version="external-secrets.io/v1", kind="ExternalSecret")
STORE = "llm-secrets"
"""Name of the SecretStore of the region's secret manager."""
PASSWORD_KEY = "password"  # noqa: S105 - the name of a key
"""The key of a copied Secret, and of the JSON in the secret manager."""
REFRESH = "5m"
"""How often a secret is read again. A rotated password reaches pods within this time and the kubelet's minute."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceAccountRef:
    """The service account that the operator signs in as."""

    name: str = COORDINATOR_SERVICE_ACCOUNT


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsJwt:
    """A token of the service account, which the role trusts."""

    service_account_ref: ServiceAccountRef = field(default_factory=ServiceAccountRef)


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsAuth:
    """How the operator signs in to AWS."""

    jwt: AwsJwt = field(default_factory=AwsJwt)


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsSecretsManager:
    """AWS Secrets Manager."""

    region: str
    service: str = "SecretsManager"
    auth: AwsAuth = field(default_factory=AwsAuth)


@dataclass(frozen=True, kw_only=True, slots=True)
class GoogleWorkloadIdentity:
    """The Google service account that the service account's annotation names."""

    cluster_location: str
    cluster_name: pulumi.Input[str]
    service_account_ref: ServiceAccountRef = field(default_factory=ServiceAccountRef)


@dataclass(frozen=True, kw_only=True, slots=True)
class GoogleAuth:
    """How the operator signs in to Google Cloud."""

    workload_identity: GoogleWorkloadIdentity


@dataclass(frozen=True, kw_only=True, slots=True)
class GoogleSecretManager:
    """Secret Manager of Google Cloud."""

    project: str = field(metadata={KEY: "projectID"})
    auth: GoogleAuth


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureKeyVault:
    """Azure Key Vault."""

    vault_url: pulumi.Input[str]
    tenant_id: pulumi.Input[str]
    auth_type: str = "WorkloadIdentity"
    service_account_ref: ServiceAccountRef = field(default_factory=ServiceAccountRef)


SecretManager = AwsSecretsManager | GoogleSecretManager | AzureKeyVault
"""The secret manager of a region."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Provider:
    aws: AwsSecretsManager | None = None
    gcpsm: GoogleSecretManager | None = None
    azurekv: AzureKeyVault | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _SecretStoreSpec:
    provider: _Provider


@dataclass(frozen=True, kw_only=True, slots=True)
class _StoreRef:
    name: str
    kind: str = SECRET_STORE.kind


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    name: str
    creation_policy: str = "Owner"
    # A secret that is gone from the manager for a moment must not stop coordinators.
    deletion_policy: str = "Retain"


@dataclass(frozen=True, kw_only=True, slots=True)
class _RemoteRef:
    key: pulumi.Input[str]
    property: str = PASSWORD_KEY


@dataclass(frozen=True, kw_only=True, slots=True)
class _Data:
    remote_ref: _RemoteRef
    secret_key: str = PASSWORD_KEY


@dataclass(frozen=True, kw_only=True, slots=True)
class _ExternalSecretSpec:
    target: _Target
    data: tuple[_Data, ...]
    secret_store_ref: _StoreRef
    refresh_policy: str = "Periodic"
    refresh_interval: str = REFRESH


def declare_secret_store(
    resource: str, name: str, manager: SecretManager, opts: pulumi.ResourceOptions
) -> k8s.apiextensions.CustomResource:
    """Declare the SecretStore of a secret manager.

    Args:
        resource: name of the Pulumi resource.
        name: name of the SecretStore.
        manager: the secret manager.
        opts: Pulumi's options.
    """
    match manager:
        case AwsSecretsManager():
            provider = _Provider(aws=manager)
        case GoogleSecretManager():
            provider = _Provider(gcpsm=manager)
        case AzureKeyVault():
            provider = _Provider(azurekv=manager)
    spec = _SecretStoreSpec(provider=provider)
    return declare_custom_resource(resource, SECRET_STORE, label_object(name, NAMESPACE, name), spec, opts)


def declare_password(
    resource: str, name: str, remote_key: pulumi.Input[str], store: str, opts: pulumi.ResourceOptions
) -> k8s.apiextensions.CustomResource:
    """Declare a Secret with the password of a login in the secret manager, under `PASSWORD_KEY`.

    Args:
        resource: name of the Pulumi resource.
        name: name of the Secret.
        remote_key: name or ARN of the login, which is JSON with `password`.
        store: name of the SecretStore.
        opts: Pulumi's options.
    """
    spec = _ExternalSecretSpec(
        target=_Target(name=name),
        data=(_Data(remote_ref=_RemoteRef(key=remote_key)),),
        secret_store_ref=_StoreRef(name=store),
    )
    return declare_custom_resource(resource, EXTERNAL_SECRET, label_object(name, NAMESPACE, name), spec, opts)
