"""An S3 bucket that exists: lookups of what it must have. Nothing here declares a resource."""

from __future__ import annotations

import json
from typing import Any, cast

import pulumi_aws as aws

from novacron_infra.existing import Lookups, differs, find_or_none
from novacron_infra.stores import ExistingS3Store


def check_bucket(lookups: Lookups, store: ExistingS3Store, region: str, *, replicated: bool) -> None:
    """Look up a bucket, and add a problem for everything that it lacks.

    Args:
        lookups: receives the problems.
        store: the bucket.
        region: the region that reads it.
        replicated: whether copies of models are written to it.
    """
    key, name = "bucket.name", store.bucket
    found = lookups.find(key, name, "bucket", "aws s3 ls", lambda: aws.s3.get_bucket(bucket=name, opts=lookups.opts))
    if found is None:
        return
    rule = f"it is in {found.bucket_region}, and the region is {region}"
    lookups.require(not differs(found.bucket_region, region), key, name, rule, f"Name a bucket in {region}")
    # GetBucket tells neither versioning nor encryption; the Cloud Control API does.
    more = find_or_none(
        lambda: aws.cloudcontrol.get_resource(type_name="AWS::S3::Bucket", identifier=name, opts=lookups.opts)
    )
    if more is None:
        what = "its versioning and encryption are not checked: these credentials lack cloudformation:GetResource"
        lookups.warn(key, name, what)
        return
    if not more.properties:  # a simulated cloud
        return
    properties = cast("dict[str, Any]", json.loads(more.properties))
    versioned = properties.get("VersioningConfiguration", {}).get("Status") == "Enabled"
    command = f"aws s3api put-bucket-versioning --bucket {name} --versioning-configuration Status=Enabled"
    rule = "it has no versioning, which copies from other regions need"
    lookups.require(versioned or not replicated, key, name, rule, f"Run `{command}`")
    rules = properties.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
    defaults = [item.get("ServerSideEncryptionByDefault", {}).get("KMSMasterKeyID") for item in rules]
    used = next((item for item in defaults if item is not None), None)
    rule = f"the key of the bucket is {used or 'none, S3 has keys of its own'}"
    fix = f"Write {used}" if used else "Remove it"
    lookups.require(used == store.key_arn, "bucket.key_arn", store.key_arn or "none", rule, fix)
