"""Customer keys of one region: for the cluster's secrets, for storage, and for logs.

AWS rotates a key at most every 90 days (API reference, EnableKeyRotation). Secrets that have to change every 30 days
are rotated by Secrets Manager.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.checks import check_name, check_tags
from novacron_infra.aws.iam import find_account, render_policy
from novacron_infra.errors import Problem, raise_problems
from novacron_infra.known_args import check_known_args
from novacron_infra.tags import Tags

FASTEST_ROTATION_DAYS, SLOWEST_ROTATION_DAYS = 90, 2560


class KeyUse(str, Enum):
    """The data that a key encrypts."""

    CLUSTER = "cluster"
    STORAGE = "storage"
    LOGS = "logs"


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsKeysArgs:
    """Arguments of `AwsKeys`."""

    region: str
    tags: Tags
    rotation_days: int = FASTEST_ROTATION_DAYS
    """Days between rotations, 90 to 2560."""
    deletion_window_days: int = 30
    """Days during which a deleted key can be restored, 7 to 30."""
    protect: bool = True
    """Whether to protect the keys from deletion. Without them, all encrypted data is lost."""
    account_id: str | None = None
    """AWS account. None: the account that STS returns."""
    cluster: bool = True
    """Whether to create the key of a cluster's secrets."""
    events: bool = False
    """Whether EventBridge publishes to encrypted topics: it then may use the key of the logs."""


class AwsKeys(pulumi.ComponentResource):
    """Customer keys with rotation, one for each `KeyUse` that is needed.

    Raises:
        ArgumentError: if a number of days is out of the range of KMS.
    """

    keys: dict[KeyUse, aws.kms.Key]

    def __init__(self, name: str, args: AwsKeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_known_args(name, args)
        raise_problems([*check_name(name), *check_tags(name, args.tags), *_check_args(name, args)])
        super().__init__("novacron:index:AwsKeys", name, None, opts)
        invoke = pulumi.InvokeOutputOptions(parent=self)
        account = find_account(args.account_id, self)
        partition = aws.get_partition_output(opts=invoke).partition
        protected = pulumi.ResourceOptions(parent=self, protect=args.protect)
        self.keys = {}
        for use in KeyUse if args.cluster else (KeyUse.STORAGE, KeyUse.LOGS):
            document = pulumi.Output.all(account=account, partition=partition).apply(_document(use, args))
            self.keys[use] = aws.kms.Key(
                f"{name}-{use.value}",
                description=f"{args.tags.project} {args.tags.environment}: {use.value}",
                enable_key_rotation=True,
                rotation_period_in_days=args.rotation_days,
                deletion_window_in_days=args.deletion_window_days,
                policy=document,
                tags=args.tags.of("keys"),
                opts=protected,
            )
            aws.kms.Alias(
                f"{name}-{use.value}",
                name=f"alias/{name}-{use.value}",
                target_key_id=self.keys[use].key_id,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({f"{use.value}_key_arn": key.arn for use, key in self.keys.items()})

    def find_arn(self, use: KeyUse) -> pulumi.Output[str]:
        """Return the ARN of the key for `use`."""
        return self.keys[use].arn


def render_key_policy(use: KeyUse, account: str, partition: str, region: str, *, events: bool = False) -> str:
    """Return a key's policy for principals with the account's permission and the services that encrypt with it."""
    statements: list[dict[str, Any]] = [
        {
            "Sid": "AccountDecides",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    if use is KeyUse.STORAGE:
        # Auto Scaling starts nodes with encrypted disks under a service-linked role, which policies of the account do
        # not cover. This is the statement of the AWS managed key aws/ebs.
        statements.append(
            {
                "Sid": "DisksOfNodes",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [
                    "kms:Encrypt",
                    "kms:Decrypt",
                    "kms:ReEncrypt*",
                    "kms:GenerateDataKey*",
                    "kms:CreateGrant",
                    "kms:DescribeKey",
                ],
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"kms:CallerAccount": account, "kms:ViaService": f"ec2.{region}.amazonaws.com"}
                },
            }
        )
        # FSx also reads the models of a bucket under a service-linked role.
        lustre = f"arn:{partition}:iam::{account}:role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/*"
        statements.append(
            {
                "Sid": "ModelsForLustre",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"kms:CallerAccount": account, "kms:ViaService": f"s3.{region}.amazonaws.com"},
                    "ArnLike": {"aws:PrincipalArn": lustre},
                },
            }
        )
    if use is KeyUse.LOGS:
        statements.append(
            {
                "Sid": "LogGroups",
                "Effect": "Allow",
                "Principal": {"Service": f"logs.{region}.amazonaws.com"},
                "Action": ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": {
                    "ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:{partition}:logs:{region}:{account}:*"}
                },
            }
        )
    if use is KeyUse.LOGS and events:
        # A condition on the source's account or ARN is not supported here (SNS guide, "Managing encryption keys").
        statements.append(
            {
                "Sid": "EventsForTopics",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",
            }
        )
    return render_policy(*statements)


def _document(use: KeyUse, args: AwsKeysArgs) -> Callable[[dict[str, str]], str]:
    def document(known: dict[str, str]) -> str:
        return render_key_policy(use, known["account"], known["partition"], args.region, events=args.events)

    return document


def _check_args(name: str, args: AwsKeysArgs) -> list[Problem]:
    return [
        Problem(f"{name}.{field}", str(value), f"KMS accepts {low} to {high} days", f"Use {min(max(value, low), high)}")
        for field, value, low, high in (
            ("rotation_days", args.rotation_days, FASTEST_ROTATION_DAYS, SLOWEST_ROTATION_DAYS),
            ("deletion_window_days", args.deletion_window_days, 7, 30),
        )
        if not low <= value <= high
    ]
