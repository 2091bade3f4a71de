"""Postgres and Redis of a region, created or existing. The rest of the region uses either in the same way."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.databases import (
    POSTGRES_PORT,
    REDIS_PORT,
    AwsPostgres,
    AwsPostgresArgs,
    AwsRedis,
    AwsRedisArgs,
)
from novacron_infra.aws.network import AwsNetworkIds
from novacron_infra.aws.region_parts import find_existing
from novacron_infra.config import ExistingAwsPostgres, ExistingAwsRedis
from novacron_infra.regions import POSTGRES_NAME, RegionSpec

POSTGRES_CLASS = "db.r7g.2xlarge"
REDIS_TYPE = "cache.r7g.2xlarge"
AURORA = ":cluster:"
"""In the ARN of an Aurora cluster."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionPostgres:
    """Postgres of a region on AWS."""

    endpoint: pulumi.Output[str]
    """Host and port."""
    port: int
    secret_arn: pulumi.Output[str]
    """ARN of the secret with the password."""
    secret_key_arn: pulumi.Input[str]
    """Key of that secret. Empty: a key of AWS, which needs no right."""
    database: str = POSTGRES_NAME
    user: str = POSTGRES_NAME


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionRedis:
    """Redis of a region on AWS."""

    endpoint: pulumi.Output[str]
    """Host."""
    port: int
    clustered: bool
    secret_key_arn: pulumi.Input[str]
    """Key of the secret with the password. Empty: a key of AWS, which needs no right."""
    secret_arn: str | None = None
    """ARN of a secret that exists, with the password. None: the serving stack declares one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionDatabasesArgs:
    """Arguments of the databases of a region on AWS."""

    spec: RegionSpec
    network: AwsNetworkIds
    client_security_group_id: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    redis_password: pulumi.Input[str]
    account_id: str | None


def declare_postgres(name: str, args: RegionDatabasesArgs, opts: pulumi.ResourceOptions) -> RegionPostgres:
    """Declare the region's Postgres. For one that exists, nothing is declared."""
    spec, existing = args.spec, find_existing(args.spec).postgres
    if existing is not None:
        return _find_postgres(existing, opts)
    postgres = AwsPostgres(
        f"{name}-postgres",
        AwsPostgresArgs(
            instance_class=POSTGRES_CLASS,
            storage_gib=spec.postgres_storage_gib,
            vpc_id=args.network.vpc_id,
            subnet_ids=args.network.private_subnet_ids,
            client_security_group_id=args.client_security_group_id,
            key_arn=args.key_arn,
            tags=spec.tags,
            statements=spec.audit.database_statements,
            account_id=args.account_id,
            protect=spec.protect,
        ),
        opts,
    )
    return RegionPostgres(
        endpoint=postgres.endpoint, port=POSTGRES_PORT, secret_arn=postgres.secret_arn, secret_key_arn=args.key_arn
    )


def declare_redis(name: str, args: RegionDatabasesArgs, opts: pulumi.ResourceOptions) -> RegionRedis:
    """Declare the region's Redis. For one that exists, nothing is declared."""
    spec, existing = args.spec, find_existing(args.spec).redis
    if existing is not None:
        return _find_redis(existing, opts)
    redis = AwsRedis(
        name,
        AwsRedisArgs(
            node_type=REDIS_TYPE,
            shards=spec.redis.shards,
            replicas_per_shard=spec.redis.replicas_per_shard,
            password=args.redis_password,
            vpc_id=args.network.vpc_id,
            subnet_ids=args.network.private_subnet_ids,
            client_security_group_id=args.client_security_group_id,
            key_arn=args.key_arn,
            tags=spec.tags,
        ),
        opts,
    )
    return RegionRedis(
        endpoint=redis.endpoint, port=REDIS_PORT, clustered=spec.redis.clustered, secret_key_arn=args.key_arn
    )


def _find_postgres(existing: ExistingAwsPostgres, opts: pulumi.ResourceOptions) -> RegionPostgres:
    invoke, name = pulumi.InvokeOptions(parent=opts.parent), existing.arn.rpartition(":")[2]
    # Plain invokes: the port is in network policies, which are not outputs.
    if AURORA in existing.arn:
        cluster = aws.rds.get_cluster(cluster_identifier=name, opts=invoke)
        host, port = cluster.endpoint, cluster.port
    else:
        instance = aws.rds.get_instance(db_instance_identifier=name, opts=invoke)
        host, port = instance.address, instance.port
    return RegionPostgres(
        endpoint=pulumi.Output.from_input(f"{host}:{port}"),
        port=port,
        secret_arn=pulumi.Output.from_input(existing.secret_arn),
        secret_key_arn=_find_secret_key(existing.secret_arn, invoke),
        database=existing.database,
        user=existing.user,
    )


def _find_redis(existing: ExistingAwsRedis, opts: pulumi.ResourceOptions) -> RegionRedis:
    invoke = pulumi.InvokeOptions(parent=opts.parent)
    group = aws.elasticache.get_replication_group(replication_group_id=existing.arn.rpartition(":")[2], opts=invoke)
    host = group.configuration_endpoint_address if existing.clustered else group.primary_endpoint_address
    return RegionRedis(
        endpoint=pulumi.Output.from_input(host),
        port=group.port,
        clustered=existing.clustered,
        secret_arn=existing.secret_arn,
        secret_key_arn=_find_secret_key(existing.secret_arn, invoke),
    )


def _find_secret_key(secret_arn: str, opts: pulumi.InvokeOptions) -> str:
    """Return the ARN of a secret's key, or an empty text for the key of AWS, which the secret does not name."""
    return aws.secretsmanager.get_secret(arn=secret_arn, opts=opts).kms_key_id or ""
