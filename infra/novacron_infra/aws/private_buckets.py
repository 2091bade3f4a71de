"""Settings of every bucket: versions, no public access, no lists of access rights, and no plain HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, slots=True)
class PrivateBucket:
    """Settings of a bucket that other settings of it wait for."""

    versioning: aws.s3.BucketVersioning
    closed: aws.s3.BucketPublicAccessBlock
    """Two writers of one bucket's policy conflict, so a policy waits for it."""


def make_private(resource: str, bucket: aws.s3.Bucket, opts: pulumi.ResourceOptions) -> PrivateBucket:
    """Turn on versions of a bucket, and close it to the public.

    Args:
        resource: name of the resources.
        bucket: the bucket.
        opts: Pulumi's options.
    """
    versioning = aws.s3.BucketVersioning(
        resource,
        bucket=bucket.id,
        versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
        opts=opts,
    )
    closed = aws.s3.BucketPublicAccessBlock(
        resource,
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=opts,
    )
    aws.s3.BucketOwnershipControls(
        resource,
        bucket=bucket.id,
        rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        opts=opts,
    )
    return PrivateBucket(versioning, closed)


def refuse_old_tls(bucket_arn: str) -> tuple[dict[str, Any], ...]:
    """Return the statements of a bucket's policy that refuse plain HTTP and TLS before 1.2."""
    everything = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [bucket_arn, f"{bucket_arn}/*"]}
    return (
        {**everything, "Sid": "NoPlainHttp", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {**everything, "Sid": "NoOldTls", "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
    )
