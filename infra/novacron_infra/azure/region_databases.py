"""Postgres and Redis of a region, created or existing. The rest of the region uses either in the same way."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import dbforpostgresql, redisenterprise

from novacron_infra.azure.databases import (
    POSTGRES_PORT,
    REDIS_PORT,
    AzurePostgres,
    AzurePostgresArgs,
    AzureRedis,
    AzureRedisArgs,
)
from novacron_infra.azure.keys import CustomerKey
from novacron_infra.azure.network import AzureNetworkIds, SubnetUse
from novacron_infra.azure.private_link import PrivateService
from novacron_infra.azure.region_parts import connect_service, find_existing
from novacron_infra.azure.resource_ids import ResourceId
from novacron_infra.config import ExistingAzurePostgres, ExistingAzureRedis
from novacron_infra.regions import POSTGRES_NAME, RegionSpec
from novacron_infra.resource_outputs import resolve_after

POSTGRES_CLASS = "Standard_E8ds_v5"


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """A secret with the password of a database."""

    uri: pulumi.Output[str]
    resource_id: pulumi.Input[str]
    """Its id in Azure Resource Manager, for role assignments."""
    vault_url: str | None = None
    """Vault of a secret that exists. None: the region's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionPostgres:
    """Postgres of a region on Azure."""

    endpoint: pulumi.Output[str]
    """Host and port; there only when its name resolves."""
    login: Login
    database: str = POSTGRES_NAME
    user: str = POSTGRES_NAME


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionRedis:
    """Redis of a region on Azure."""

    endpoint: pulumi.Output[str]
    """Host and port; there only when its name resolves."""
    port: int
    clustered: bool
    login: Login


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionDatabases:
    """Declares the databases of a region on Azure, or connects those that exist by private endpoints."""

    name: str
    spec: RegionSpec
    resource_group: pulumi.Output[str]
    unique_name: str
    network: AzureNetworkIds
    key: CustomerKey
    vault_name: pulumi.Input[str]
    """The region's vault, which has the logins of databases that are created."""
    workspace_id: pulumi.Input[str]
    opts: pulumi.ResourceOptions

    def declare_postgres(self) -> RegionPostgres:
        """Declare the region's Postgres. Of one that exists, declare a private endpoint only."""
        existing, spec = find_existing(self.spec).postgres, self.spec
        if existing is not None:
            return self._connect_postgres(existing)
        postgres = AzurePostgres(
            f"{self.name}-postgres",
            AzurePostgresArgs(
                region=spec.region,
                resource_group=self.resource_group,
                server=self.unique_name,
                instance_class=POSTGRES_CLASS,
                storage_gib=spec.postgres_storage_gib,
                endpoint_subnet_id=self.network.subnet_ids[SubnetUse.ENDPOINTS],
                postgres_zone_id=self.network.dns_zone_ids[PrivateService.POSTGRES],
                key=self.key,
                vault_name=self.vault_name,
                workspace_id=self.workspace_id,
                statements=spec.audit.database_statements,
                tags=spec.tags,
                protect=spec.protect,
            ),
            self.opts,
        )
        login = Login(uri=postgres.secret_id, resource_id=postgres.secret_resource_id)
        return RegionPostgres(endpoint=postgres.endpoint, login=login)

    def declare_redis(self, size: str) -> RegionRedis:
        """Declare the region's Redis of a size. Of one that exists, declare a private endpoint only."""
        existing, spec = find_existing(self.spec).redis, self.spec
        if existing is not None:
            return self._connect_redis(existing)
        redis = AzureRedis(
            f"{self.name}-redis",
            AzureRedisArgs(
                region=spec.region,
                resource_group=self.resource_group,
                cluster=self.unique_name,
                node_type=size,
                clustered=spec.redis.clustered,
                replicated=spec.redis.clustered,
                endpoint_subnet_id=self.network.subnet_ids[SubnetUse.ENDPOINTS],
                redis_zone_id=self.network.dns_zone_ids[PrivateService.REDIS],
                key=self.key,
                vault_name=self.vault_name,
                tags=spec.tags,
            ),
            self.opts,
        )
        return RegionRedis(
            endpoint=redis.endpoint,
            port=REDIS_PORT,
            clustered=spec.redis.clustered,
            login=Login(uri=redis.secret_id, resource_id=redis.secret_resource_id),
        )

    def connect_logins(self) -> None:
        """Declare a private endpoint of each vault with the login of a database that exists."""
        existing = find_existing(self.spec)
        secrets = {
            "postgres": existing.postgres.secret_id if existing.postgres else None,
            "redis": existing.redis.secret_id if existing.redis else None,
        }
        # The vault of a key that exists has an endpoint already.
        connected = {_find_vault(self.key.existing_id)} if self.key.existing_id else set[str]()
        for what, secret_id in secrets.items():
            if secret_id is not None and _find_vault(secret_id) not in connected:
                connected.add(_find_vault(secret_id))
                vault_id = secret_id.partition("/secrets/")[0]
                self._declare_endpoint(f"{what}-vault", PrivateService.VAULT, vault_id)

    def _connect_postgres(self, existing: ExistingAzurePostgres) -> RegionPostgres:
        endpoint = self._declare_endpoint("postgres-endpoint", PrivateService.POSTGRES, existing.server_id)
        id_ = ResourceId.parse(existing.server_id)
        server = dbforpostgresql.get_server_output(
            server_name=id_.name,
            resource_group_name=id_.group,
            opts=pulumi.InvokeOutputOptions(parent=self.opts.parent),
        )
        host = resolve_after(server.fully_qualified_domain_name, endpoint)
        return RegionPostgres(
            endpoint=pulumi.Output.format("{0}:{1}", host, POSTGRES_PORT),
            login=_find_login(existing.secret_id),
            database=existing.database,
            user=existing.user,
        )

    def _connect_redis(self, existing: ExistingAzureRedis) -> RegionRedis:
        endpoint = self._declare_endpoint("redis-endpoint", PrivateService.REDIS, existing.cluster_id)
        id_ = ResourceId.parse(existing.cluster_id)
        name, group = id_.name, id_.group
        cluster = redisenterprise.get_redis_enterprise_output(
            cluster_name=name, resource_group_name=group, opts=pulumi.InvokeOutputOptions(parent=self.opts.parent)
        )
        # A plain invoke: the port is in network policies, which are not outputs.
        database = redisenterprise.get_database(
            cluster_name=name,
            database_name="default",
            resource_group_name=group,
            opts=pulumi.InvokeOptions(parent=self.opts.parent),
        )
        port = database.port or REDIS_PORT
        return RegionRedis(
            endpoint=pulumi.Output.format("{0}:{1}", resolve_after(cluster.host_name, endpoint), port),
            port=port,
            clustered=existing.clustered,
            login=_find_login(existing.secret_id),
        )

    def _declare_endpoint(self, name: str, service: PrivateService, resource_id: str) -> pulumi.Output[str]:
        return connect_service(
            f"{self.name}-{name}", service, resource_id, self.spec, self.network, self.resource_group, self.opts
        )


def _find_login(secret_id: str) -> Login:
    url = f"https://{_find_vault(secret_id)}.vault.azure.net/"
    uri = pulumi.Output.from_input(f"{url}secrets/{ResourceId.parse(secret_id).name}")
    return Login(uri=uri, resource_id=secret_id, vault_url=url)


def _find_vault(id_: str) -> str:
    """Return the name of the vault in the resource id of a key or a secret, in lower case as Azure compares it."""
    return ResourceId.parse(id_).parent.lower()
