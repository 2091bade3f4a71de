"""Postgres and Redis that exist: lookups of what they must have. Nothing here declares a resource."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi_aws as aws

from novacron_infra.aws.cloud_control import find_properties
from novacron_infra.aws.region_databases import AURORA
from novacron_infra.config import ExistingAwsPostgres, ExistingAwsRedis
from novacron_infra.existing import Lookups, differs, find_or_none, is_reported
from novacron_infra.limits.databases import OLDEST_POSTGRES, OLDEST_REDIS, is_supported

_ENGINES = ("postgres", "aurora-postgresql")


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsDatabaseCheck:
    """Databases that exist, and what a region asks of them."""

    lookups: Lookups
    region: str
    vpc_id: str
    """VPC of the region, which exists."""

    def check_postgres(self, existing: ExistingAwsPostgres) -> None:
        """Look up Postgres and its login, and add a problem for everything that they lack."""
        key, arn, require = "postgres.arn", existing.arn, self.lookups.require
        name, opts = arn.rpartition(":")[2], self.lookups.opts
        what, noun = ("Aurora cluster", "db-clusters") if AURORA in arn else ("RDS instance", "db-instances")
        command = f"aws rds describe-{noun} --region {self.region}"
        if AURORA in arn:
            found = self.lookups.find(
                key, arn, what, command, lambda: aws.rds.get_cluster(cluster_identifier=name, opts=opts)
            )
            group = found.db_subnet_group_name if found is not None else None
        else:
            found = self.lookups.find(
                key, arn, what, command, lambda: aws.rds.get_instance(db_instance_identifier=name, opts=opts)
            )
            group = found.db_subnet_group if found is not None else None
        self._check_secret("postgres.secret_arn", existing.secret_arn)
        if found is None:
            return
        if is_reported(found.engine):
            rule = f"its engine is {found.engine} {found.engine_version}, and coordinators need Postgres"
            holds = found.engine in _ENGINES and is_supported(found.engine_version, OLDEST_POSTGRES)
            require(holds, key, arn, f"{rule} {OLDEST_POSTGRES} or newer", "Upgrade it, or name another one")
        rule = "its storage is not encrypted"
        fix = "Restore a copy of a snapshot with a key, and name that"
        require(not differs(found.storage_encrypted, True), key, arn, rule, fix)
        if group is not None:
            subnets = find_or_none(lambda: aws.rds.get_subnet_group(name=group, opts=opts))
            self._check_vpc(key, arn, subnets.vpc_id if subnets is not None else None)

    def check_redis(self, existing: ExistingAwsRedis) -> None:
        """Look up a replication group and its login, and add a problem for everything that they lack."""
        key, arn, require = "redis.arn", existing.arn, self.lookups.require
        name, opts = arn.rpartition(":")[2], self.lookups.opts
        group = self.lookups.find(
            key,
            arn,
            "replication group",
            f"aws elasticache describe-replication-groups --region {self.region}",
            lambda: aws.elasticache.get_replication_group(replication_group_id=name, opts=opts),
        )
        self._check_secret("redis.secret_arn", existing.secret_arn)
        if group is None:
            return
        rule = "it has no AUTH token, without which ElastiCache has no TLS that coordinators can sign in over"
        fix = f"Run `aws elasticache modify-replication-group --replication-group-id {name} --auth-token TOKEN`"
        require(not differs(group.auth_token_enabled, True), key, arn, rule, fix)
        if is_reported(group.cluster_mode):
            clustered = group.cluster_mode != "disabled"
            rule, fix = f"cluster mode is {group.cluster_mode}", f"Write {str(clustered).lower()}"
            require(clustered is existing.clustered, "redis.clustered", str(existing.clustered).lower(), rule, fix)
        self._check_encryption(arn, name)
        member = next(iter(group.member_clusters or ()), None)
        node = find_or_none(lambda: aws.elasticache.get_cluster(cluster_id=member, opts=opts)) if member else None
        if node is None or not is_reported(node.engine_version):
            return
        rule = f"its engine is {node.engine} {node.engine_version}, and coordinators need {OLDEST_REDIS} or newer"
        require(is_supported(node.engine_version, OLDEST_REDIS), key, arn, rule, "Upgrade it, or name another one")
        subnets = find_or_none(lambda: aws.elasticache.get_subnet_group(name=node.subnet_group_name, opts=opts))
        self._check_vpc(key, arn, subnets.vpc_id if subnets is not None else None)

    def _check_encryption(self, arn: str, name: str) -> None:
        # GetReplicationGroup does not tell; the Cloud Control API does.
        properties = find_properties(self.lookups, "AWS::ElastiCache::ReplicationGroup", name)
        if not properties:  # rejected, or a simulated cloud
            return
        fix = "Restore a backup into a group with encryption, and name that"
        for name_, rule in (
            ("TransitEncryptionEnabled", "it has no TLS, which coordinators connect with"),
            ("AtRestEncryptionEnabled", "it is not encrypted at rest"),
        ):
            self.lookups.require(properties.get(name_) is True, "redis.arn", arn, rule, fix)

    def _check_vpc(self, key: str, arn: str, vpc_id: str | None) -> None:
        rule = f"it is in {vpc_id}, and the region in {self.vpc_id}"
        holds = not differs(vpc_id, self.vpc_id)
        self.lookups.require(holds, key, arn, rule, f"Name one in {self.vpc_id}, or the VPC of the database")

    def _check_secret(self, key: str, arn: str) -> None:
        secret = self.lookups.find(
            key,
            arn,
            "secret",
            f"aws secretsmanager list-secrets --region {self.region}",
            lambda: aws.secretsmanager.get_secret(arn=arn, opts=self.lookups.opts),
        )
        if secret is None or not secret.kms_key_id:
            return
        rule = f"its key is written {secret.kms_key_id}, and the coordinators' role gets a right by a key's ARN"
        command = f"aws secretsmanager update-secret --region {self.region} --secret-id {arn} --kms-key-id KEY_ARN"
        self.lookups.require(":key/" in secret.kms_key_id, key, arn, rule, f"Run `{command}`")
