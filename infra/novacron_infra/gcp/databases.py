"""Managed Postgres and a Redis cluster of one region. The one password is made and never written down."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from novacron_infra.catalog import Cloud
from novacron_infra.config import DatabaseStatements
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.gcp.checks import NAME_CHARACTERS, build_labels, check_labels, check_name
from novacron_infra.generated import generate_secret
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.databases import check_postgres_storage
from novacron_infra.postgres_logs import list_log_parameters
from novacron_infra.resource_outputs import require_output, resolve_after
from novacron_infra.tags import Tags
from novacron_infra.upgrades import guard_postgres

POSTGRES_PORT = 5432
REDIS_PORT = 6379
"""Port where clients ask for the layout of a cluster."""
REDIS_NODE_PORTS = (11_000, 13_047)
"""Ports of a cluster's nodes (Memorystore for Redis Cluster documentation, "Connect to an instance", 2026-11-30)."""
POSTGRES_USER = "novacron"
LONGEST_DATABASE_NAME = NAME_CHARACTERS - len("-connect") - 8
"""Maximum length of these components' names, which get a short suffix and 8 random characters."""
_ENTERPRISE_PLUS = re.compile(r"db-perf-optimized-N-\d+")
_MOST_BACKUP_DAYS = 35
"""Days of transaction logs with Enterprise Plus (the provider's `transaction_log_retention_days`)."""
_FINAL_BACKUP_DAYS = 30
_SUNDAY, _NIGHT_HOUR_UTC = 7, 3
_MOST_REDIS_REPLICAS = 5
"""Memorystore for Redis Cluster documentation, "Overview", read on 2026-11-25."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpPostgresArgs:
    """A Postgres server."""

    instance_class: str
    """Machine type of Enterprise Plus, such as db-perf-optimized-N-8."""
    region: str
    storage_gib: int
    network_id: pulumi.Input[str]
    """Network of the cluster, once it is peered with Google Cloud services. Only this network reaches the server."""
    key_id: pulumi.Input[str]
    tags: Tags
    password: pulumi.Input[str] | None = None
    """A secret. None: it is made."""
    version: str = "17"
    database: str = "novacron"
    standby: bool = True
    """A second server in another zone that takes over."""
    statements: DatabaseStatements = DatabaseStatements.DDL
    """The statements that the server writes into its log."""
    backup_days: int = 14
    """How far back one can go, to any second."""
    protect: bool = True
    """Whether to protect the server: `destroy` stops at it, and its deletion is rejected or keeps a final backup."""


class GcpPostgres(pulumi.ComponentResource):
    """Cloud SQL for PostgreSQL: encrypted, private, TLS only, with the password in Secret Manager.

    Raises:
        ArgumentError: Cloud SQL has no such machine, storage or backups.
    """

    instance: gcp.sql.DatabaseInstance
    endpoint: pulumi.Output[str]
    """Host and port."""
    secret_id: pulumi.Output[str]
    """The secret that has `username` and `password`, as `projects/…/secrets/…`: there once it has them."""

    def __init__(self, name: str, args: GcpPostgresArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name, LONGEST_DATABASE_NAME),
                *check_labels(name, args.tags),
                *_check_postgres(name, args),
            ]
        )
        super().__init__("novacron:index:GcpPostgres", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        password = generate_secret(f"{name}-password", child) if args.password is None else args.password
        self.instance = gcp.sql.DatabaseInstance(
            f"{name}-server",
            region=args.region,
            database_version=f"POSTGRES_{args.version}",
            encryption_key_name=args.key_id,
            deletion_protection=args.protect,
            settings=_settings(args),
            opts=pulumi.ResourceOptions(
                parent=self, protect=args.protect, hooks=guard_postgres(name, "databaseVersion")
            ),
        )
        # Neither can go before the server: Postgres keeps a database that is in use, and a user who owns something.
        gcp.sql.Database(
            f"{name}-database", instance=self.instance.name, name=args.database, deletion_policy="ABANDON", opts=child
        )
        gcp.sql.User(
            f"{name}-user",
            instance=self.instance.name,
            name=POSTGRES_USER,
            password=password,
            deletion_policy="ABANDON",
            opts=child,
        )
        secret = gcp.secretmanager.Secret(
            f"{name}-login",
            secret_id=f"{name}-login",
            replication=gcp.secretmanager.SecretReplicationArgs(
                user_managed=gcp.secretmanager.SecretReplicationUserManagedArgs(
                    replicas=[
                        gcp.secretmanager.SecretReplicationUserManagedReplicaArgs(
                            location=args.region,
                            customer_managed_encryption=(
                                gcp.secretmanager.SecretReplicationUserManagedReplicaCustomerManagedEncryptionArgs(
                                    kms_key_name=args.key_id
                                )
                            ),
                        )
                    ]
                )
            ),
            labels=build_labels(args.tags, "postgres"),
            opts=child,
        )
        login = gcp.secretmanager.SecretVersion(
            f"{name}-login",
            secret=secret.id,
            secret_data=pulumi.Output.json_dumps({"username": POSTGRES_USER, "password": password}),
            opts=child,
        )
        self.endpoint = pulumi.Output.format("{0}:{1}", self.instance.private_ip_address, POSTGRES_PORT)
        self.secret_id = resolve_after(secret.id, login.id)
        self.register_outputs({"endpoint": self.endpoint, "secret_id": self.secret_id})


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpRedisArgs:
    """A Redis cluster."""

    node_type: str
    """Such as REDIS_HIGHMEM_XLARGE."""
    region: str
    shards: int
    """Primaries. Clients speak the cluster's protocol, with one too."""
    replicas_per_shard: int
    network_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    """Where its addresses are taken from: the cluster's."""
    key_id: pulumi.Input[str]
    tags: Tags
    connection_policy: bool = True
    """Whether to let Memorystore take addresses of the subnet. A network has one such policy for each region."""


class GcpRedis(pulumi.ComponentResource):
    """Memorystore for Redis Cluster: encrypted at rest and on the way; who may sign in is IAM's to say.

    Clients need `roles/redis.dbConnectionUser` and sign in with an access token, which lasts an hour.

    Raises:
        ArgumentError: a shape that Memorystore does not have.
    """

    cluster: gcp.redis.Cluster
    endpoint: pulumi.Output[str]
    """The host that clients ask for the cluster's layout."""

    def __init__(self, name: str, args: GcpRedisArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems(
            [
                *check_name(name, LONGEST_DATABASE_NAME),
                *check_labels(name, args.tags),
                *_check_redis(name, args),
            ]
        )
        super().__init__("novacron:index:GcpRedis", name, None, opts)
        tags = build_labels(args.tags, "redis")
        may_connect: list[pulumi.Resource] = []
        if args.connection_policy:
            policy = gcp.networkconnectivity.ServiceConnectionPolicy(
                f"{name}-connect",
                location=args.region,
                network=args.network_id,
                service_class="gcp-memorystore-redis",
                description="Lets Memorystore take addresses of the nodes' subnet",
                psc_config=gcp.networkconnectivity.ServiceConnectionPolicyPscConfigArgs(subnetworks=[args.subnet_id]),
                labels=tags,
                opts=pulumi.ResourceOptions(parent=self),
            )
            may_connect.append(policy)
        self.cluster = gcp.redis.Cluster(
            f"{name}-cluster",
            region=args.region,
            node_type=args.node_type,
            shard_count=args.shards,
            replica_count=args.replicas_per_shard,
            psc_configs=[gcp.redis.ClusterPscConfigArgs(network=args.network_id)],
            kms_key=args.key_id,
            transit_encryption_mode="TRANSIT_ENCRYPTION_MODE_SERVER_AUTHENTICATION",
            authorization_mode="AUTH_MODE_IAM_AUTH",
            # A cache: whatever is in it can be made again.
            deletion_protection_enabled=False,
            labels=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=may_connect),
        )
        self.endpoint = self.cluster.discovery_endpoints.apply(_address)
        self.register_outputs({"endpoint": self.endpoint})


def _settings(args: GcpPostgresArgs) -> gcp.sql.DatabaseInstanceSettingsArgs:
    sql = gcp.sql
    return sql.DatabaseInstanceSettingsArgs(
        tier=args.instance_class,
        edition="ENTERPRISE_PLUS",
        availability_type="REGIONAL" if args.standby else "ZONAL",
        disk_type="PD_SSD",
        disk_size=args.storage_gib,
        # The size is the configuration's: a disk that grows by itself would differ from it.
        disk_autoresize=False,
        ip_configuration=sql.DatabaseInstanceSettingsIpConfigurationArgs(
            ipv4_enabled=False, private_network=args.network_id, ssl_mode="ENCRYPTED_ONLY"
        ),
        backup_configuration=sql.DatabaseInstanceSettingsBackupConfigurationArgs(
            enabled=True,
            location=args.region,
            point_in_time_recovery_enabled=True,
            transaction_log_retention_days=args.backup_days,
            backup_retention_settings=sql.DatabaseInstanceSettingsBackupConfigurationBackupRetentionSettingsArgs(
                retained_backups=args.backup_days, retention_unit="COUNT"
            ),
        ),
        final_backup_config=sql.DatabaseInstanceSettingsFinalBackupConfigArgs(
            enabled=args.protect, retention_days=_FINAL_BACKUP_DAYS if args.protect else None
        ),
        maintenance_window=sql.DatabaseInstanceSettingsMaintenanceWindowArgs(
            day=_SUNDAY, hour=_NIGHT_HOUR_UTC, update_track="stable"
        ),
        database_flags=[
            sql.DatabaseInstanceSettingsDatabaseFlagArgs(name=flag, value=value)
            for flag, value in (*list_log_parameters(args.statements).items(), ("cloudsql.enable_pgaudit", "on"))
        ],
        insights_config=sql.DatabaseInstanceSettingsInsightsConfigArgs(query_insights_enabled=True),
        deletion_protection_enabled=args.protect,
        user_labels=build_labels(args.tags, "postgres"),
    )


def _check_postgres(name: str, args: GcpPostgresArgs) -> list[Problem]:
    found = list(check_postgres_storage(f"{name}.storage_gib", args.storage_gib, Cloud.GCP))
    if not _ENTERPRISE_PLUS.fullmatch(args.instance_class):
        rule, fix = "Enterprise Plus has no such machine", "Write it as db-perf-optimized-N-8"
        found.append(Problem(f"{name}.instance_class", args.instance_class, rule, fix))
    if not 1 <= args.backup_days <= _MOST_BACKUP_DAYS:
        rule = f"Cloud SQL keeps logs for 1 to {_MOST_BACKUP_DAYS} days"
        found.append(Problem(f"{name}.backup_days", str(args.backup_days), rule, "Stay within"))
    return found


def _check_redis(name: str, args: GcpRedisArgs) -> list[Problem]:
    found: list[Problem] = []
    replicas, path = args.replicas_per_shard, f"{name}.replicas_per_shard"
    if args.shards < 1:
        found.append(Problem(f"{name}.shards", str(args.shards), "a cluster has a shard at least", "Use 1 or more"))
    if not 0 <= replicas <= _MOST_REDIS_REPLICAS:
        found.append(Problem(path, str(replicas), f"a shard has 0 to {_MOST_REDIS_REPLICAS} replicas", "Stay within"))
    elif args.shards > 1 and replicas < 1:
        rule = "a shard without a replica loses its keys when its node fails"
        found.append(Problem(path, str(replicas), rule, "Use 1 or more"))
    return found


def _address(endpoints: Sequence[gcp.redis.outputs.ClusterDiscoveryEndpoint]) -> str:
    return require_output(endpoints[0].address, "Cluster.discovery_endpoints[0].address")
