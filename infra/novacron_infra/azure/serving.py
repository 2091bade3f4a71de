"""Services of a region on Azure for the serving stack, with the coordinators' identity, which reads two secrets."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import keyvault

from novacron_infra.azure.databases import POSTGRES_PORT, REDIS_NODE_PORTS
from novacron_infra.azure.iam import Role
from novacron_infra.azure.identity import AksPodIdentity, AksPodIdentityArgs
from novacron_infra.azure.ingress import AzureIngress
from novacron_infra.azure.region_cluster import RegionCluster
from novacron_infra.azure.region_databases import Login, RegionPostgres, RegionRedis
from novacron_infra.azure.storage import AzureFiles
from novacron_infra.regions import RegionSpec
from novacron_infra.resource_outputs import require_output
from novacron_infra.stores import NfsStore
from novacron_infra.workloads.cloud_services import (
    CloudServices,
    ManagedDatabase,
    ManagedRedis,
    ReservedAddress,
)
from novacron_infra.workloads.external_secrets import AzureKeyVault
from novacron_infra.workloads.names import COORDINATOR_SERVICE_ACCOUNT, NAMESPACE
from novacron_infra.workloads.serving_args import (
    ClusterTrust,
    Identities,
    ModelStoreAccess,
    NfsMount,
    PodIdentity,
    PortRange,
    make_nfs_mount,
)

_SERVICE = "service.beta.kubernetes.io"


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureServingArgs:
    """Parts of a region on Azure that the serving stack uses."""

    spec: RegionSpec
    resource_group: pulumi.Input[str]
    cluster: RegionCluster
    vault: keyvault.Vault
    """The vault with the logins of databases that are created."""
    workers: AksPodIdentity
    postgres: RegionPostgres
    redis: RegionRedis
    ingress: AzureIngress
    registry: pulumi.Input[str]
    """Prefix of the names of images."""
    model_store: pulumi.Input[str]
    """URL of the models."""
    files: AzureFiles | None
    """The file system with the models; None if they are elsewhere."""


def declare_cloud_services(name: str, args: AzureServingArgs, opts: pulumi.ResourceOptions) -> CloudServices:
    """Return the services of a region on Azure. Declare the coordinators' identity.

    Args:
        name: name of the region's component, which the names of the resources begin with.
        args: parts of the region.
        opts: Pulumi's options, with the region as the parent.
    """
    tenant_id = args.vault.properties.apply(_find_tenant)
    coordinators = AksPodIdentity(
        f"{name}-{COORDINATOR_SERVICE_ACCOUNT}",
        AksPodIdentityArgs(
            region=args.spec.region,
            resource_group=args.resource_group,
            oidc_issuer=args.cluster.oidc_issuer,
            namespace=NAMESPACE,
            service_account=COORDINATOR_SERVICE_ACCOUNT,
            role=Role.KEY_VAULT_SECRETS_USER,
            scope=args.postgres.login.resource_id,
            more_scopes={"redis": args.redis.login.resource_id},
            tags=args.spec.tags,
        ),
        opts,
    )
    clustered = args.redis.clustered
    first, last = REDIS_NODE_PORTS
    node_ports = (PortRange(first=first, last=last),) if clustered else ()
    return CloudServices(
        trust=ClusterTrust(issuer=args.cluster.oidc_issuer, azure_resource_group=args.resource_group),
        identities=Identities(
            coordinators=_act_as(coordinators.client_id, tenant_id),
            workers=_act_as(args.workers.client_id, tenant_id),
        ),
        secrets=AzureKeyVault(vault_url=args.vault.properties.apply(_find_vault_url), tenant_id=tenant_id),
        database=ManagedDatabase(
            endpoint=args.postgres.endpoint,
            port=POSTGRES_PORT,
            # Of DigiCert Global Root G2 and Microsoft RSA Root CA 2017, says learn.microsoft.com/azure/postgresql,
            # "TLS in Azure Database for PostgreSQL", read 2026-11-30.
            public_certificate=True,
            login=args.postgres.login.uri.apply(_find_name),
            database=args.postgres.database,
            user=args.postgres.user,
            secrets=_find_manager(args.postgres.login, tenant_id),
        ),
        redis=ManagedRedis(
            endpoint=args.redis.endpoint,
            ports=(PortRange(first=args.redis.port), *node_ports),
            cluster=clustered,
            one_host=clustered,
            login=args.redis.login.uri.apply(_find_name),
            secrets=_find_manager(args.redis.login, tenant_id),
        ),
        registry=args.registry,
        store=ModelStoreAccess(url=args.model_store, mount=_describe_mount(args)),
        ingress=ReservedAddress(
            address=args.ingress.address,
            annotations={
                f"{_SERVICE}/azure-pip-name": args.ingress.name,
                f"{_SERVICE}/azure-load-balancer-resource-group": args.resource_group,
            },
        ),
    )


def _describe_mount(args: AzureServingArgs) -> NfsMount | None:
    if isinstance(args.spec.store, NfsStore):
        return make_nfs_mount(args.spec.store.export)
    return None if args.files is None else make_nfs_mount(args.files.export)


def _find_manager(login: Login, tenant_id: pulumi.Output[str]) -> AzureKeyVault | None:
    """Return the vault of a login that exists. None: the login is in the region's vault."""
    return None if login.vault_url is None else AzureKeyVault(vault_url=login.vault_url, tenant_id=tenant_id)


def _find_tenant(vault: keyvault.outputs.VaultPropertiesResponse) -> str:
    return vault.tenant_id


def _find_vault_url(vault: keyvault.outputs.VaultPropertiesResponse) -> str:
    return require_output(vault.vault_uri, "Vault.properties.vault_uri")


def _act_as(client_id: pulumi.Input[str], tenant_id: pulumi.Input[str]) -> PodIdentity:
    return PodIdentity(
        annotations={"azure.workload.identity/client-id": client_id, "azure.workload.identity/tenant-id": tenant_id},
        labels={"azure.workload.identity/use": "true"},
    )


def _find_name(secret_uri: str) -> str:
    """Return the name in `https://vault.vault.azure.net/secrets/name`, which a version may follow."""
    return secret_uri.partition("/secrets/")[2].partition("/")[0]
