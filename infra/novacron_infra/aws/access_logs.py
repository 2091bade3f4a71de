"""Access logs of a bucket: who read or wrote which model, in a bucket of their own.

S3 writes them for free, hours late and without a guarantee for each request. Data events of CloudTrail are complete and
billed for each request: a trail of your organization can record them.
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from novacron_infra.aws.iam import find_account, render_policy
from novacron_infra.aws.private_buckets import make_private, refuse_old_tls
from novacron_infra.names import shorten_name
from novacron_infra.tags import Tags

_PREFIX = "requests/"
_LONGEST_NAME = 43
"""A bucket's name has 63 characters, of which Pulumi and `-access-logs` take 8 and 12."""


def declare_access_logs(
    name: str,
    bucket: aws.s3.Bucket,
    tags: Tags,
    retention_days: int,
    account_id: str | None,
    parent: pulumi.Resource,
) -> aws.s3.Bucket:
    """Declare the bucket of the access logs of `bucket`, and turn them on.

    Args:
        name: beginning of the resources' names.
        bucket: the bucket whose requests are logged.
        tags: tags of the resources.
        retention_days: days after which a log is deleted.
        account_id: the account of both buckets. None: the one that STS returns.
        parent: the component that declares the bucket.
    """
    child = pulumi.ResourceOptions(parent=parent)
    resource = f"{shorten_name(name, _LONGEST_NAME)}-access-logs"
    # S3 writes access logs only to buckets with its own encryption keys, which are the default.
    logs = aws.s3.Bucket(resource, force_destroy=True, tags=tags.of("logs"), opts=child)
    private = make_private(resource, logs, child)
    aws.s3.BucketLifecycleConfiguration(
        resource,
        bucket=logs.id,
        rules=[
            aws.s3.BucketLifecycleConfigurationRuleArgs(
                id="old-logs",
                status="Enabled",
                filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=retention_days),
                noncurrent_version_expiration=(
                    aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(noncurrent_days=1)
                ),
                abort_incomplete_multipart_upload=(
                    aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(days_after_initiation=1)
                ),
            )
        ],
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[private.versioning]),
    )
    may_write = aws.s3.BucketPolicy(
        resource,
        bucket=logs.id,
        policy=pulumi.Output.all(logs=logs.arn, bucket=bucket.arn, account=find_account(account_id, parent)).apply(
            _receives_logs
        ),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[private.closed]),
    )
    aws.s3.BucketLogging(
        resource,
        bucket=bucket.id,
        target_bucket=logs.id,
        target_prefix=_PREFIX,
        # By the day of the requests, so that a query reads one day.
        target_object_key_format=aws.s3.BucketLoggingTargetObjectKeyFormatArgs(
            partitioned_prefix=aws.s3.BucketLoggingTargetObjectKeyFormatPartitionedPrefixArgs(
                partition_date_source="EventTime"
            )
        ),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[may_write]),
    )
    return logs


def _receives_logs(known: Mapping[str, str]) -> str:
    logs = known["logs"]
    return render_policy(
        *refuse_old_tls(logs),
        {
            "Sid": "AccessLogs",
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"{logs}/{_PREFIX}*",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": known["account"]},
                "ArnLike": {"aws:SourceArn": known["bucket"]},
            },
        },
    )
