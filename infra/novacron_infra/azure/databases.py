"""Managed Postgres and a Redis-compatible service of one region. Their passwords are made, never written down.

Credentials are in the region's key vault, as JSON with `username` and `password` like the secrets of AWS.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import dbforpostgresql, keyvault, redisenterprise

from novacron_infra.azure.checks import check_name, check_region, check_tags
from novacron_infra.azure.database_parameters import declare_parameters
from novacron_infra.azure.keys import CustomerKey
from novacron_infra.azure.logs import send_logs
from novacron_infra.azure.private_link import PrivateService, declare_private_endpoint
from novacron_infra.catalog import Cloud
from novacron_infra.config import DatabaseStatements
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.generated import generate_secret
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.databases import check_postgres_storage, find_azure_redis_gb
from novacron_infra.limits.zones import list_zones
from novacron_infra.resource_outputs import resolve_after
from novacron_infra.tags import Tags
from novacron_infra.upgrades import guard_postgres

POSTGRES_PORT, REDIS_PORT = 5432, 10_000
REDIS_NODE_PORTS = (8500, 8599)
"""Ports of the nodes of a cluster. Azure Managed Redis chooses each one among them, and may change it."""
_BACKUP_DAYS = (7, 35)
_TIERS = {"D": dbforpostgresql.SkuTier.GENERAL_PURPOSE, "E": dbforpostgresql.SkuTier.MEMORY_OPTIMIZED}
"""By the letter of the size. Burstable ones (B) have no standby."""
_SIZE_PREFIX = "Standard_"
_POSTGRES_USER, _REDIS_USER = "novacron", "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class AzurePostgresArgs:
    """A Postgres server."""

    region: str
    resource_group: pulumi.Input[str]
    server: str
    """Its name, unique in all of Azure."""
    instance_class: str
    """Such as Standard_E8ds_v5."""
    storage_gib: int
    """One of `AZURE_STORAGE_GIB` in `novacron_infra.limits.databases`."""
    endpoint_subnet_id: pulumi.Input[str]
    postgres_zone_id: pulumi.Input[str]
    key: CustomerKey
    vault_name: pulumi.Input[str]
    """Where the password is kept."""
    workspace_id: pulumi.Input[str]
    tags: Tags
    version: str = "17"
    database: str = "novacron"
    standby: bool = True
    """A second server that takes over, in another zone if the region has zones."""
    statements: DatabaseStatements = DatabaseStatements.DDL
    """The statements that the server writes into its log."""
    backup_days: int = 35
    """7 to 35, in the region."""
    protect: bool = True
    """Whether destroying the stack stops at the server; a deleted one leaves no backup that could be relied on."""


class AzurePostgres(pulumi.ComponentResource):
    """Azure Database for PostgreSQL, flexible server: encrypted, over TLS only, reached from inside only.

    Raises:
        ArgumentError: if Azure does not offer the size, the storage or the backups.
    """

    server: dbforpostgresql.Server
    endpoint: pulumi.Output[str]
    """Host and port; there only when its name resolves."""
    secret_id: pulumi.Output[str]
    """The secret in the vault that has the user and the password."""
    secret_resource_id: pulumi.Output[str]
    """The secret's id in Azure Resource Manager, for role assignments."""

    def __init__(self, name: str, args: AzurePostgresArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
                *_check_postgres(name, args),
            ]
        )
        super().__init__("novacron:index:AzurePostgres", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("postgres")
        password = generate_secret(f"{name}-password", child)
        self.server = self._server(name, args, password, tags)
        configured = declare_parameters(name, self.server.name, args.resource_group, args.statements, self)
        database = dbforpostgresql.Database(
            f"{name}-database",
            database_name=args.database,
            server_name=self.server.name,
            resource_group_name=args.resource_group,
            charset="UTF8",
            collation="en_US.utf8",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[configured], protect=args.protect),
        )
        send_logs(f"{name}-logs", self.server.id, args.workspace_id, ["PostgreSQLLogs"], child)
        private_endpoint = declare_private_endpoint(
            f"{name}-endpoint",
            PrivateService.POSTGRES,
            self.server.id,
            args.endpoint_subnet_id,
            args.postgres_zone_id,
            args.resource_group,
            args.region,
            tags,
            pulumi.ResourceOptions(parent=self, depends_on=[database]),
        )
        secret = _store_secret(
            name, args.vault_name, args.resource_group, password.apply(_postgres_credentials), tags, child
        )
        host = resolve_after(self.server.fully_qualified_domain_name, private_endpoint.id)
        self.endpoint = pulumi.Output.format("{0}:{1}", host, POSTGRES_PORT)
        self.secret_id = pulumi.Output.unsecret(secret.properties.secret_uri)
        self.secret_resource_id = pulumi.Output.unsecret(secret.id)
        self.register_outputs({"endpoint": self.endpoint, "secret_id": self.secret_id})

    def _server(
        self, name: str, args: AzurePostgresArgs, password: pulumi.Output[str], tags: dict[str, str]
    ) -> dbforpostgresql.Server:
        mode = dbforpostgresql.PostgreSqlFlexibleServerHighAvailabilityMode
        zones = list_zones(Cloud.AZURE, args.region)
        return dbforpostgresql.Server(
            f"{name}-server",
            server_name=args.server,
            resource_group_name=args.resource_group,
            location=args.region,
            version=args.version,
            create_mode=dbforpostgresql.CreateMode.DEFAULT,
            sku=dbforpostgresql.SkuArgs(name=args.instance_class, tier=_TIERS[_family(args.instance_class)]),
            storage=dbforpostgresql.StorageArgs(
                storage_size_gb=args.storage_gib,
                type=dbforpostgresql.StorageType.PREMIUM_LRS,
                # A size that Azure had raised, this program would try to lower.
                auto_grow=dbforpostgresql.StorageAutoGrow.DISABLED,
            ),
            administrator_login=_POSTGRES_USER,
            administrator_login_password=password,
            auth_config=dbforpostgresql.AuthConfigArgs(
                password_auth=dbforpostgresql.PasswordBasedAuth.ENABLED,
                active_directory_auth=dbforpostgresql.MicrosoftEntraAuth.DISABLED,
            ),
            network=dbforpostgresql.NetworkArgs(
                public_network_access=dbforpostgresql.ServerPublicNetworkAccessState.DISABLED
            ),
            identity=dbforpostgresql.UserAssignedIdentityArgs(
                type=dbforpostgresql.IdentityType.USER_ASSIGNED,
                user_assigned_identities=pulumi.Output.from_input(args.key.identity_id).apply(_identities),
            ),
            data_encryption=dbforpostgresql.DataEncryptionArgs(
                type=dbforpostgresql.DataEncryptionType.AZURE_KEY_VAULT,
                primary_key_uri=args.key.uri,
                primary_user_assigned_identity_id=args.key.identity_id,
            ),
            high_availability=dbforpostgresql.HighAvailabilityArgs(
                mode=mode.DISABLED if not args.standby else mode.ZONE_REDUNDANT if zones else mode.SAME_ZONE
            ),
            backup=dbforpostgresql.BackupArgs(
                backup_retention_days=args.backup_days,
                # A copy in Azure's paired region would need a key there; the environment's regions are others.
                geo_redundant_backup=dbforpostgresql.GeographicallyRedundantBackup.DISABLED,
            ),
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, hooks=guard_postgres(name, "version")),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureRedisArgs:
    """A Redis-compatible service."""

    region: str
    resource_group: pulumi.Input[str]
    cluster: str
    """Its name, unique in the region among all of Azure's customers."""
    node_type: str
    """Such as MemoryOptimized_M150: memory and processors of the whole, without its copies."""
    clustered: bool
    """Whether clients speak the protocol of a cluster and reach each shard themselves; otherwise a proxy does it."""
    replicated: bool
    """Whether every shard has a copy in another zone that takes over."""
    endpoint_subnet_id: pulumi.Input[str]
    redis_zone_id: pulumi.Input[str]
    key: CustomerKey
    vault_name: pulumi.Input[str]
    """Where the password is kept."""
    tags: Tags


class AzureRedis(pulumi.ComponentResource):
    """Azure Managed Redis, reached from inside only, with TLS and a password that Azure makes.

    Not Azure Cache for Redis, which Azure retires: Enterprise on 2027-03-31, the other tiers on 2028-09-30. The disks'
    key is taken in its newest version with the next update after a refresh.

    Raises:
        ArgumentError: if Azure does not offer the size.
    """

    cluster: redisenterprise.RedisEnterprise
    endpoint: pulumi.Output[str]
    """Host and port; there only when its name resolves."""
    secret_id: pulumi.Output[str]
    """The secret in the vault that has the user and the password."""
    secret_resource_id: pulumi.Output[str]
    """The secret's id in Azure Resource Manager, for role assignments."""

    def __init__(self, name: str, args: AzureRedisArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name),
                *check_tags(name, args.tags),
                *check_region(f"{name}.region", args.region),
                *_check_redis(name, args),
            ]
        )
        super().__init__("novacron:index:AzureRedis", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("redis")
        availability, policy = redisenterprise.HighAvailability, redisenterprise.ClusteringPolicy
        self.cluster = redisenterprise.RedisEnterprise(
            f"{name}-cluster",
            cluster_name=args.cluster,
            resource_group_name=args.resource_group,
            location=args.region,
            sku=redisenterprise.SkuArgs(name=args.node_type),
            high_availability=availability.ENABLED if args.replicated else availability.DISABLED,
            minimum_tls_version=redisenterprise.TlsVersion.TLS_VERSION_1_2,
            public_network_access=redisenterprise.PublicNetworkAccess.DISABLED,
            identity=redisenterprise.ManagedServiceIdentityArgs(
                type=redisenterprise.ManagedServiceIdentityType.USER_ASSIGNED,
                user_assigned_identities=[args.key.identity_id],
            ),
            encryption=redisenterprise.ClusterPropertiesEncryptionArgs(
                customer_managed_key_encryption=redisenterprise.ClusterPropertiesCustomerManagedKeyEncryptionArgs(
                    key_encryption_key_url=args.key.versioned_uri,
                    key_encryption_key_identity=redisenterprise.ClusterPropertiesKeyEncryptionKeyIdentityArgs(
                        identity_type=redisenterprise.CmkIdentityType.USER_ASSIGNED_IDENTITY,
                        user_assigned_identity_resource_id=args.key.identity_id,
                    ),
                )
            ),
            tags=tags,
            opts=child,
        )
        database = redisenterprise.Database(
            f"{name}-database",
            # The only name that Azure takes.
            database_name="default",
            cluster_name=self.cluster.name,
            resource_group_name=args.resource_group,
            client_protocol=redisenterprise.Protocol.ENCRYPTED,
            port=REDIS_PORT,
            clustering_policy=policy.OSS_CLUSTER if args.clustered else policy.ENTERPRISE_CLUSTER,
            eviction_policy=redisenterprise.EvictionPolicy.VOLATILE_LRU,
            access_keys_authentication=redisenterprise.AccessKeysAuthentication.ENABLED,
            opts=child,
        )
        private_endpoint = declare_private_endpoint(
            f"{name}-endpoint",
            PrivateService.REDIS,
            self.cluster.id,
            args.endpoint_subnet_id,
            args.redis_zone_id,
            args.resource_group,
            args.region,
            tags,
            pulumi.ResourceOptions(parent=self, depends_on=[database]),
        )
        keys = redisenterprise.list_database_keys_output(
            cluster_name=self.cluster.name,
            database_name=database.name,
            resource_group_name=args.resource_group,
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        credentials = pulumi.Output.secret(keys.primary_key).apply(_redis_credentials)
        secret = _store_secret(name, args.vault_name, args.resource_group, credentials, tags, child)
        host = resolve_after(self.cluster.host_name, private_endpoint.id)
        self.endpoint = pulumi.Output.format("{0}:{1}", host, REDIS_PORT)
        self.secret_id = pulumi.Output.unsecret(secret.properties.secret_uri)
        self.secret_resource_id = pulumi.Output.unsecret(secret.id)
        self.register_outputs({"endpoint": self.endpoint, "secret_id": self.secret_id})


def find_redis_size(primaries: int) -> str | None:
    """Return the smallest memory-optimized size with 50 GB per primary, as on AWS, or None."""
    size_gb = find_azure_redis_gb(primaries)
    return None if size_gb is None else f"MemoryOptimized_M{size_gb}"


def _store_secret(
    name: str,
    vault_name: pulumi.Input[str],
    resource_group: pulumi.Input[str],
    value: pulumi.Output[str],
    tags: dict[str, str],
    opts: pulumi.ResourceOptions,
) -> keyvault.Secret:
    """A secret; Azure Resource Manager writes it, so nothing that runs this program has to reach the vault."""
    return keyvault.Secret(
        f"{name}-credentials",
        secret_name=name,
        vault_name=vault_name,
        resource_group_name=resource_group,
        properties=keyvault.SecretPropertiesArgs(value=value, content_type="application/json"),
        tags=tags,
        opts=opts,
    )


def _identities(identity_id: str) -> dict[str, dbforpostgresql.UserIdentityArgs]:
    return {identity_id: dbforpostgresql.UserIdentityArgs()}


def _postgres_credentials(password: str) -> str:
    return json.dumps({"username": _POSTGRES_USER, "password": password})


def _redis_credentials(password: str) -> str:
    return json.dumps({"username": _REDIS_USER, "password": password})


def _family(instance_class: str) -> str:
    return instance_class.removeprefix(_SIZE_PREFIX)[:1]


def _check_postgres(name: str, args: AzurePostgresArgs) -> list[Problem]:
    found: list[Problem] = []
    if not args.instance_class.startswith(_SIZE_PREFIX) or _family(args.instance_class) not in _TIERS:
        rule = "a server here is general purpose (D) or memory optimized (E)"
        found.append(Problem(f"{name}.instance_class", args.instance_class, rule, "Write it as Standard_E8ds_v5"))
    found += check_postgres_storage(f"{name}.storage_gib", args.storage_gib, Cloud.AZURE)
    low, high = _BACKUP_DAYS
    if not low <= args.backup_days <= high:
        rule = f"Azure keeps backups for {low} to {high} days"
        found.append(Problem(f"{name}.backup_days", str(args.backup_days), rule, "Stay within"))
    return found


def _check_redis(name: str, args: AzureRedisArgs) -> list[Problem]:
    managed = [size.value for size in redisenterprise.SkuName if not size.value.startswith("Enterprise")]
    if args.node_type in managed:
        return []
    rule = "Azure Managed Redis has no such size"
    return [Problem(f"{name}.node_type", args.node_type, rule, "Write it as MemoryOptimized_M150")]
