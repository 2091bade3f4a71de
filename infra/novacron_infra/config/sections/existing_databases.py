"""`regions[].existing`: Postgres and Redis of a region that exist, and the secrets with their passwords."""

from __future__ import annotations

from typing import Annotated

from novacron_infra.config.sections.base import Section, TextPattern
from novacron_infra.config.sections.existing_ids import EXAMPLE_GROUP, GROUP_PATTERN

RdsArn = Annotated[
    str,
    TextPattern(
        r"arn:aws[a-z-]*:rds:[a-z0-9-]+:[0-9]{12}:(db|cluster):[a-z][a-z0-9-]{0,62}",
        "Postgres is written as the ARN of an RDS instance or an Aurora cluster",
        "arn:aws:rds:us-west-2:123456789012:db:acme",
    ),
]
ReplicationGroupArn = Annotated[
    str,
    TextPattern(
        r"arn:aws[a-z-]*:elasticache:[a-z0-9-]+:[0-9]{12}:replicationgroup:[a-z][a-z0-9-]{0,39}",
        "Redis is written as the ARN of a replication group of ElastiCache",
        "arn:aws:elasticache:us-west-2:123456789012:replicationgroup:acme",
    ),
]
SecretArn = Annotated[
    str,
    TextPattern(
        r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[\w/+=.@!-]+-[A-Za-z0-9]{6}",
        "a secret is written as its whole ARN, with the six characters at the end",
        "arn:aws:secretsmanager:us-west-2:123456789012:secret:acme/postgres-a1b2c3",
    ),
]
CloudSqlInstance = Annotated[
    str,
    TextPattern(
        r"projects/[a-z0-9:.-]+/instances/[a-z]([a-z0-9-]*[a-z0-9])?",
        "an instance of Cloud SQL is written projects/PROJECT/instances/NAME",
        "projects/acme-data/instances/postgres",
    ),
]
MemorystoreCluster = Annotated[
    str,
    TextPattern(
        r"projects/[a-z0-9:.-]+/locations/[a-z0-9-]+/clusters/[a-z]([a-z0-9-]*[a-z0-9])?",
        "a cluster of Memorystore is written projects/PROJECT/locations/REGION/clusters/NAME",
        "projects/acme-prod/locations/us-central1/clusters/redis",
    ),
]
GoogleSecretName = Annotated[
    str,
    TextPattern(
        r"projects/[a-z0-9:.-]+/secrets/[\w-]{1,255}",
        "a secret is written projects/PROJECT/secrets/NAME, without a version",
        "projects/acme-prod/secrets/postgres",
    ),
]
FlexibleServerId = Annotated[
    str,
    TextPattern(
        rf"{GROUP_PATTERN}/providers/Microsoft\.DBforPostgreSQL/flexibleServers/[a-z0-9-]{{3,63}}",
        "Postgres is written as the resource id of a flexible server",
        f"{EXAMPLE_GROUP}/providers/Microsoft.DBforPostgreSQL/flexibleServers/acme",
    ),
]
ManagedRedisId = Annotated[
    str,
    TextPattern(
        rf"{GROUP_PATTERN}/providers/Microsoft\.Cache/redisEnterprise/[a-zA-Z0-9-]{{1,60}}",
        "Redis is written as the resource id of an Azure Managed Redis; Azure retires Azure Cache for Redis",
        f"{EXAMPLE_GROUP}/providers/Microsoft.Cache/redisEnterprise/acme",
    ),
]
VaultSecretId = Annotated[
    str,
    TextPattern(
        rf"{GROUP_PATTERN}/providers/Microsoft\.KeyVault/vaults/[a-zA-Z0-9-]{{3,24}}/secrets/[a-zA-Z0-9-]{{1,127}}",
        "a secret is written as its resource id, without a version",
        f"{EXAMPLE_GROUP}/providers/Microsoft.KeyVault/vaults/acme/secrets/postgres",
    ),
]


PostgresName = Annotated[
    str,
    TextPattern(
        r"[A-Za-z_][\w-]{0,62}",
        "a name here has 1 to 63 letters, digits, hyphens and underscores, and no digit or hyphen at the start",
        "novacron",
    ),
]


class _Postgres(Section):
    database: PostgresName = "novacron"
    """Name of the database on the server."""
    user: PostgresName = "novacron"
    """The user who owns the database."""


class ExistingAwsPostgres(_Postgres):
    """Postgres of RDS or Aurora that exists."""

    arn: RdsArn
    """ARN of the instance, or of the Aurora cluster."""
    secret_arn: SecretArn
    """ARN of the secret with the user's password: JSON with `password`, as RDS writes it."""


class ExistingAwsRedis(Section):
    """A replication group of ElastiCache that exists."""

    arn: ReplicationGroupArn
    """ARN of the replication group."""
    secret_arn: SecretArn
    """ARN of the secret with its AUTH token: JSON with `password`."""
    clustered: bool = True
    """Whether cluster mode is on."""


class ExistingGooglePostgres(_Postgres):
    """Postgres of Cloud SQL that exists."""

    instance: CloudSqlInstance
    """The instance, with its project."""
    secret: GoogleSecretName
    """Secret with the user's password: JSON with `password`."""


class ExistingAzurePostgres(_Postgres):
    """A flexible server of Azure Database for PostgreSQL that exists."""

    server_id: FlexibleServerId
    """Resource id of the server."""
    secret_id: VaultSecretId
    """Resource id of the secret with the user's password: JSON with `password`."""


class ExistingAzureRedis(Section):
    """An Azure Managed Redis that exists."""

    cluster_id: ManagedRedisId
    """Resource id of the Redis."""
    secret_id: VaultSecretId
    """Resource id of the secret with its access key: JSON with `password`."""
    clustered: bool = True
    """Whether its clustering policy is OSS. Without it, the policy is Enterprise."""
