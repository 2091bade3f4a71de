"""A Cloud Storage bucket that exists: lookups of what it must have. Nothing here declares a resource."""

from __future__ import annotations

import pulumi_gcp as gcp

from novacron_infra.existing import Lookups, differs, is_reported
from novacron_infra.stores import ExistingGcsStore

_MULTI_REGIONS = ("US", "EU", "ASIA")


def check_bucket(lookups: Lookups, store: ExistingGcsStore, region: str) -> None:
    """Look up a bucket, and add a problem for everything that it lacks."""
    key, name = "bucket", store.bucket
    bucket = lookups.find(
        key,
        name,
        "bucket",
        "gcloud storage buckets list --format 'value(name)'",
        lambda: gcp.storage.get_bucket(name=name, opts=lookups.opts),
    )
    if bucket is None:
        return
    if is_reported(bucket.location):
        rule = f"it is in {bucket.location}, and the region is {region}"
        holds = bucket.location.upper() in (region.upper(), *_MULTI_REGIONS)
        lookups.require(holds, key, name, rule, f"Name a bucket in {region}")
    update = f"gcloud storage buckets update gs://{name}"
    rule = "it has object ACLs, and workers get a right for the folders of the models only with uniform access"
    holds = not differs(bucket.uniform_bucket_level_access, True)
    lookups.require(holds, key, name, rule, f"Run `{update} --uniform-bucket-level-access`")
    if is_reported(bucket.versionings):
        rule = "it has no versioning, so an overwritten model is lost"
        lookups.require(
            any(item.enabled for item in bucket.versionings), key, name, rule, f"Run `{update} --versioning`"
        )
