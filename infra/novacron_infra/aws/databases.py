"""Managed Postgres and a Redis-compatible service of one region. Their passwords are made, never written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import name_problems
from novacron_infra.errors import Problem, refuse
from novacron_infra.tags import Tags

POSTGRES_PORT, REDIS_PORT = 5432, 6379
LONGEST_REDIS_NAME = 26
"""ElastiCache's identifiers have 40 characters at most, and the component's name is followed by 14."""
_POSTGRES_STORAGE_GIB = (20, 65_536)
_MOST_BACKUP_DAYS = 35
_MOST_REDIS_NODES = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsPostgresArgs:
    """A Postgres server."""

    instance_class: str
    """Such as db.r7g.2xlarge."""
    storage_gib: int
    vpc_id: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Private subnets by zone, two or more."""
    client_security_group_id: pulumi.Input[str]
    """The cluster's group: its members reach the server, nobody else."""
    key_arn: pulumi.Input[str]
    tags: Tags
    version: str = "17"
    database: str = "novacron"
    standby: bool = True
    """A second server in another zone that takes over."""
    backup_days: int = 14
    protect: bool = True
    """Whether destroying the stack stops at the server, and Amazon refuses to delete it or keeps a last snapshot."""


class AwsPostgres(pulumi.ComponentResource):
    """RDS for PostgreSQL: encrypted, private; the password is Amazon's to make and to rotate, every week.

    Raises:
        ArgumentError: RDS has no such storage or backups, or there are fewer than two zones.
    """

    instance: aws.rds.Instance
    endpoint: pulumi.Output[str]
    """Host and port."""
    secret_arn: pulumi.Output[str]
    """The secret in Secrets Manager that has the user and the password."""

    def __init__(self, name: str, args: AwsPostgresArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse([*name_problems(name), *_postgres_problems(name, args)])
        super().__init__("novacron:index:AwsPostgres", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("postgres", Name=name)
        subnets = aws.rds.SubnetGroup(
            f"{name}-postgres", subnet_ids=list(args.subnet_ids.values()), tags=tags, opts=child
        )
        self.instance = aws.rds.Instance(
            f"{name}-postgres",
            engine="postgres",
            engine_version=args.version,
            instance_class=args.instance_class,
            db_name=args.database,
            username="novacron",
            manage_master_user_password=True,
            master_user_secret_kms_key_id=args.key_arn,
            allocated_storage=args.storage_gib,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=args.key_arn,
            multi_az=args.standby,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[_security_group(self, name, "postgres", POSTGRES_PORT, args).id],
            publicly_accessible=False,
            backup_retention_period=args.backup_days,
            copy_tags_to_snapshot=True,
            final_snapshot_identifier=f"{name}-final",
            skip_final_snapshot=not args.protect,
            deletion_protection=args.protect,
            auto_minor_version_upgrade=True,
            enabled_cloudwatch_logs_exports=["postgresql", "upgrade"],
            performance_insights_enabled=True,
            performance_insights_kms_key_id=args.key_arn,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.endpoint = self.instance.endpoint
        self.secret_arn = self.instance.master_user_secrets.apply(_secret_arn)
        self.register_outputs({"endpoint": self.endpoint, "secret_arn": self.secret_arn})


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsRedisArgs:
    """A Redis-compatible service."""

    node_type: str
    """Such as cache.r7g.4xlarge."""
    shards: int
    """Primaries. More than one is a cluster, and clients have to speak its protocol."""
    replicas_per_shard: int
    password: pulumi.Input[str]
    """A secret of 16 to 128 characters."""
    vpc_id: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    client_security_group_id: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    tags: Tags
    version: str = "8.0"


class AwsRedis(pulumi.ComponentResource):
    """ElastiCache for Valkey: encrypted at rest and on the way, with a password.

    Raises:
        ArgumentError: more nodes than ElastiCache has, or a shape that it does not.
    """

    group: aws.elasticache.ReplicationGroup
    endpoint: pulumi.Output[str]
    """The host that a cluster's clients ask for its layout, or the primary of a single shard."""

    def __init__(self, name: str, args: AwsRedisArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse([*name_problems(name, LONGEST_REDIS_NAME), *_redis_problems(name, args)])
        super().__init__("novacron:index:AwsRedis", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("redis", Name=name)
        subnets = aws.elasticache.SubnetGroup(
            f"{name}-redis", subnet_ids=list(args.subnet_ids.values()), tags=tags, opts=child
        )
        clustered = args.shards > 1
        self.group = aws.elasticache.ReplicationGroup(
            f"{name}-redis",
            description=f"{args.tags.project} {args.tags.environment}",
            engine="valkey",
            engine_version=args.version,
            node_type=args.node_type,
            cluster_mode="enabled" if clustered else "disabled",
            num_node_groups=args.shards,
            replicas_per_node_group=args.replicas_per_shard,
            automatic_failover_enabled=args.replicas_per_shard > 0,
            multi_az_enabled=args.replicas_per_shard > 0,
            subnet_group_name=subnets.name,
            security_group_ids=[_security_group(self, name, "redis", REDIS_PORT, args).id],
            at_rest_encryption_enabled=True,
            kms_key_id=args.key_arn,
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            auth_token=args.password,
            auto_minor_version_upgrade=True,
            tags=tags,
            opts=child,
        )
        self.endpoint = self.group.configuration_endpoint_address if clustered else self.group.primary_endpoint_address
        self.register_outputs({"endpoint": self.endpoint})


def _security_group(
    component: pulumi.Resource, name: str, what: str, port: int, args: AwsPostgresArgs | AwsRedisArgs
) -> aws.ec2.SecurityGroup:
    child = pulumi.ResourceOptions(parent=component)
    group = aws.ec2.SecurityGroup(
        f"{name}-{what}",
        vpc_id=args.vpc_id,
        description=f"{what}, from the cluster's nodes only",
        tags=args.tags.of(what, Name=name),
        opts=child,
    )
    aws.vpc.SecurityGroupIngressRule(
        f"{name}-{what}",
        security_group_id=group.id,
        referenced_security_group_id=args.client_security_group_id,
        description="From the cluster's nodes",
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        opts=child,
    )
    return group


def _postgres_problems(name: str, args: AwsPostgresArgs) -> list[Problem]:
    low, high = _POSTGRES_STORAGE_GIB
    found: list[Problem] = []
    if not low <= args.storage_gib <= high:
        path = f"{name}.storage_gib"
        found.append(Problem(path, str(args.storage_gib), f"RDS has {low} to {high} GiB of gp3", "Stay within"))
    if not 1 <= args.backup_days <= _MOST_BACKUP_DAYS:
        rule = f"RDS keeps backups for 1 to {_MOST_BACKUP_DAYS} days, and 0 would switch them off"
        found.append(Problem(f"{name}.backup_days", str(args.backup_days), rule, "Stay within"))
    return found + _zone_problems(name, args.subnet_ids)


def _redis_problems(name: str, args: AwsRedisArgs) -> list[Problem]:
    found: list[Problem] = []
    nodes = args.shards * (1 + args.replicas_per_shard)
    if args.shards < 1 or not 1 <= nodes <= _MOST_REDIS_NODES:
        rule = f"ElastiCache has 1 to {_MOST_REDIS_NODES} nodes, and these are {nodes}"
        found.append(Problem(f"{name}.shards", str(args.shards), rule, "Use fewer, or larger nodes"))
    if args.shards > 1 and args.replicas_per_shard < 1:
        rule = "a shard of a cluster that dies without a replica takes its keys along"
        found.append(Problem(f"{name}.replicas_per_shard", str(args.replicas_per_shard), rule, "Use 1 or more"))
    return found + _zone_problems(name, args.subnet_ids)


def _zone_problems(name: str, subnet_ids: Mapping[str, pulumi.Input[str]]) -> list[Problem]:
    if len(subnet_ids) > 1:
        return []
    zones = ", ".join(subnet_ids) or "none"
    return [Problem(f"{name}.subnet_ids", zones, "a database has subnets in two zones at least", "Add a zone")]


def _secret_arn(secrets: Sequence[aws.rds.outputs.InstanceMasterUserSecret]) -> str:
    return secrets[0].secret_arn or ""
