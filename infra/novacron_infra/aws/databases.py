"""Managed Postgres and a Redis-compatible service of one region, with generated passwords."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import check_name, check_tags
from novacron_infra.aws.database_parameters import declare_parameters
from novacron_infra.aws.iam import trust_service
from novacron_infra.catalog import Cloud
from novacron_infra.config import DatabaseStatements
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.limits.databases import check_postgres_storage
from novacron_infra.names import shorten_name
from novacron_infra.resource_outputs import require_output, resolve_after
from novacron_infra.tags import Tags
from novacron_infra.upgrades import guard_postgres

POSTGRES_PORT, REDIS_PORT = 5432, 6379
_LONGEST_REDIS_ID, _GENERATED = 40, 8
"""Characters that ElastiCache allows, and those that a generated identifier adds to a name."""
_MOST_BACKUP_DAYS = 35
_MONITORING_POLICY = "AmazonRDSEnhancedMonitoringRole"
_MONITORING_INTERVALS_S = (0, 1, 5, 10, 15, 30, 60)
_MOST_REDIS_NODES = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsPostgresArgs:
    """Arguments of `AwsPostgres`."""

    instance_class: str
    """Instance class, such as db.r7g.2xlarge."""
    storage_gib: int
    vpc_id: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    """Private subnets by zone, at least two."""
    client_security_group_id: pulumi.Input[str]
    """Security group of the cluster. Only its members reach the server."""
    key_arn: pulumi.Input[str]
    tags: Tags
    version: str = "17"
    database: str = "novacron"
    standby: bool = True
    """Whether to run a standby server in another zone."""
    backup_days: int = 14
    statements: DatabaseStatements = DatabaseStatements.DDL
    """The statements that the server writes into its log."""
    monitoring_interval_s: int = 60
    """Seconds between two measurements of the server's operating system: 1, 5, 10, 15, 30 or 60. 0: there are none.

    CloudWatch bills them as logs."""
    account_id: str | None = None
    """AWS account. None: the account that STS returns."""
    protect: bool = True
    """Whether to protect the server: `destroy` stops at it, and AWS rejects its deletion or keeps a final snapshot."""


class AwsPostgres(pulumi.ComponentResource):
    """RDS for PostgreSQL, encrypted and private. AWS generates the password and rotates it every week.

    Raises:
        ArgumentError: if RDS does not offer the storage or backups, or there are fewer than two zones.
    """

    instance: aws.rds.Instance
    endpoint: pulumi.Output[str]
    """Host and port of the server."""
    secret_arn: pulumi.Output[str]
    """ARN of the secret in Secrets Manager with the user and the password."""

    def __init__(self, name: str, args: AwsPostgresArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *_check_postgres(name, args)])
        super().__init__("novacron:index:AwsPostgres", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("postgres", Name=name)
        subnets = aws.rds.SubnetGroup(
            f"{name}-postgres", subnet_ids=list(args.subnet_ids.values()), tags=tags, opts=child
        )
        parameters = declare_parameters(f"{name}-postgres", args.version, args.statements, tags, child)
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
            parameter_group_name=parameters.name,
            iam_database_authentication_enabled=True,
            monitoring_interval=args.monitoring_interval_s,
            monitoring_role_arn=_monitoring_role(self, name, args) if args.monitoring_interval_s else None,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, hooks=guard_postgres(name, "engineVersion")),
        )
        self.endpoint = self.instance.endpoint
        self.secret_arn = self.instance.master_user_secrets.apply(_secret_arn)
        self.register_outputs({"endpoint": self.endpoint, "secret_arn": self.secret_arn})


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsRedisArgs:
    """Arguments of `AwsRedis`."""

    node_type: str
    """Node type, such as cache.r7g.4xlarge."""
    shards: int
    """Number of primaries. With more than one, clients have to use the cluster protocol."""
    replicas_per_shard: int
    password: pulumi.Input[str]
    """Password of 16 to 128 characters."""
    vpc_id: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    client_security_group_id: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    tags: Tags
    version: str = "8.0"


class AwsRedis(pulumi.ComponentResource):
    """ElastiCache for Valkey, encrypted at rest and in transit, with a password.

    Raises:
        ArgumentError: if ElastiCache does not offer this number of nodes, shards or replicas.
    """

    group: aws.elasticache.ReplicationGroup
    endpoint: pulumi.Output[str]
    """Configuration endpoint of a cluster, or the primary's endpoint of a single shard."""

    def __init__(self, name: str, args: AwsRedisArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *_check_redis(name, args)])
        super().__init__("novacron:index:AwsRedis", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.tags.of("redis", Name=name)
        subnets = aws.elasticache.SubnetGroup(
            f"{name}-redis", subnet_ids=list(args.subnet_ids.values()), tags=tags, opts=child
        )
        clustered = args.shards > 1
        self.group = aws.elasticache.ReplicationGroup(
            f"{name}-redis",
            replication_group_id=_choose_redis_id(f"{name}-redis"),
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


def _monitoring_role(component: pulumi.Resource, name: str, args: AwsPostgresArgs) -> pulumi.Output[str]:
    """Return the ARN of a role that may write the measurements, which exists once it may."""
    child = pulumi.ResourceOptions(parent=component)
    source = "arn:{partition}:rds:*:{account}:db:*"
    role = aws.iam.Role(
        f"{name}-monitoring",
        assume_role_policy=trust_service("monitoring.rds.amazonaws.com", source, args.account_id, component),
        tags=args.tags.of("postgres"),
        opts=child,
    )
    partition = aws.get_partition_output(opts=pulumi.InvokeOutputOptions(parent=component)).partition
    policy_arn = pulumi.Output.format("arn:{0}:iam::aws:policy/service-role/{1}", partition, _MONITORING_POLICY)
    attached = aws.iam.RolePolicyAttachment(f"{name}-monitoring", role=role.name, policy_arn=policy_arn, opts=child)
    return resolve_after(role.arn, attached.id)


def _choose_redis_id(name: str) -> str | None:
    """Return a short identifier for a long name. None: one is generated."""
    return None if len(name) + _GENERATED <= _LONGEST_REDIS_ID else shorten_name(name, _LONGEST_REDIS_ID)


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


def _check_postgres(name: str, args: AwsPostgresArgs) -> list[Problem]:
    found = list(check_postgres_storage(f"{name}.storage_gib", args.storage_gib, Cloud.AWS))
    if not 1 <= args.backup_days <= _MOST_BACKUP_DAYS:
        rule = f"RDS keeps backups for 1 to {_MOST_BACKUP_DAYS} days, and 0 turns them off"
        found.append(Problem(f"{name}.backup_days", str(args.backup_days), rule, "Stay within"))
    if args.monitoring_interval_s not in _MONITORING_INTERVALS_S:
        rule = f"RDS measures every {', '.join(map(str, _MONITORING_INTERVALS_S[1:]))} s"
        path = f"{name}.monitoring_interval_s"
        found.append(Problem(path, str(args.monitoring_interval_s), rule, "Use one of them, or 0 for none"))
    return found + _check_zones(name, args.subnet_ids)


def _check_redis(name: str, args: AwsRedisArgs) -> list[Problem]:
    found: list[Problem] = []
    nodes = args.shards * (1 + args.replicas_per_shard)
    if args.shards < 1 or not 1 <= nodes <= _MOST_REDIS_NODES:
        rule = f"ElastiCache allows 1 to {_MOST_REDIS_NODES} nodes, and these are {nodes}"
        found.append(Problem(f"{name}.shards", str(args.shards), rule, "Use fewer or larger nodes"))
    if args.shards > 1 and args.replicas_per_shard < 1:
        rule = "a shard without a replica loses its keys when its node fails"
        found.append(Problem(f"{name}.replicas_per_shard", str(args.replicas_per_shard), rule, "Use 1 or more"))
    return found + _check_zones(name, args.subnet_ids)


def _check_zones(name: str, subnet_ids: Mapping[str, pulumi.Input[str]]) -> list[Problem]:
    if len(subnet_ids) > 1:
        return []
    zones = ", ".join(subnet_ids) or "none"
    return [Problem(f"{name}.subnet_ids", zones, "a database needs subnets in at least two zones", "Add a zone")]


def _secret_arn(secrets: Sequence[aws.rds.outputs.InstanceMasterUserSecret]) -> str:
    return require_output(secrets[0].secret_arn, "Instance.master_user_secrets[0].secret_arn")
