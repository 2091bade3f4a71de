"""Rules for the model store of an environment and of each region."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.problems import MISSING, item_path, problem
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.rules.regions import LONGEST_REGION_NAME
from novacron_infra.config.sections.model_store import OWN_STORE, StoreKind
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.regions import Region, find_primary
from novacron_infra.errors import Problem
from novacron_infra.limits.names import AZURE_STORE, GCS_BUCKET, S3_BUCKET, NameRule

BUCKETS = {
    StoreKind.S3: S3_BUCKET,
    StoreKind.GCS: GCS_BUCKET,
    StoreKind.AZURE: AZURE_STORE,
    StoreKind.NFS: NameRule(
        r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:/(?!/)(?!(.*/)?\.\.(/|$))[^\s,]*",
        "an NFS store is written server:/export",
        "files.example.com:/models",
    ),
    StoreKind.EFS: NameRule(
        r"fs-[0-9a-f]{8,40}",
        "an EFS id is fs- and 8 to 40 hexadecimal digits",
        "fs-0123456789abcdef0",
    ),
}


def check_store(
    kind_path: str, path: str, kind: StoreKind, bucket: str | None, platform: Platform | None
) -> Iterator[Problem]:
    """Report a kind of store that the cloud does not have, and a name that this kind does not allow.

    Args:
        kind_path: the path of the store's kind.
        path: the path of its bucket.
        kind: the kind of store.
        bucket: its name as the user typed it, or None.
        platform: the cloud of its region, or None when it is not known.
    """
    name_rule = BUCKETS[kind]
    if bucket is not None and not name_rule.matches(bucket):
        yield problem(path, bucket, name_rule.rule, f"Write it like {name_rule.example}")
    if bucket is None and kind in OWN_STORE.values():
        yield problem(path, MISSING, f"a store of kind {kind.value} needs a name", f"Write it like {name_rule.example}")
    if platform is None:
        return
    own = OWN_STORE[platform].value
    if kind in OWN_STORE.values() and kind.value != own:
        yield problem(kind_path, kind.value, f"the object storage of {platform.value} is {own}", f"Use {own}")
    if kind is StoreKind.EFS and platform is not Platform.AWS:
        yield problem(kind_path, kind.value, f"{platform.value} does not have EFS", f"Use nfs or {own}")
    if kind is StoreKind.NFS and platform is Platform.AWS and bucket is None:
        fix = f"Name a server that exists, like {name_rule.example}, or use efs"
        yield problem(path, MISSING, "on aws, nfs needs a server that exists", fix)


def check_model_store(parts: Parts) -> Iterator[Problem]:
    """Check the environment's model store and the names made from it."""
    serving = parts.get("model")
    if serving is None:
        return
    store = serving.store
    name_rule = BUCKETS[store.kind]
    yield from check_store("model.store.kind", "model.store.bucket", store.kind, store.bucket, parts.get("platform"))
    if store.kind in OWN_STORE.values() and store.bucket is not None and name_rule.matches(store.bucket):
        regions = parts.get("regions", ())
        primary = find_primary(regions, parts.get("primary")).name if regions else ""
        # A longer region name has a problem of its own, and a region with a bucket needs no name made for it.
        named = [item.name for item in regions if item.overrides is None and item.bucket is None]
        own = [name for name in named if len(name) <= LONGEST_REGION_NAME]
        names = [name for name in (store.bucket_in(name, primary) for name in own) if name is not None]
        longest = max(names, key=len, default=store.bucket)
        if not name_rule.matches(longest):
            rule = f"the bucket of another region would be {longest}, {len(longest)} characters; {name_rule.rule}"
            yield problem("model.store.bucket", store.bucket, rule, f"Use a shorter name, like {name_rule.example}")
    models, configuration = store.model_names, store.configuration_names
    # Models in the whole bucket still leave the configuration a folder of its own.
    if models and (models.startswith(configuration) or configuration.startswith(models)):
        rule = f"it overlaps model.store.prefix {store.prefix}, and the two are replicated at different rates"
        example = "models" if store.configuration_prefix == "configuration" else "configuration"
        fix = f"Use a folder outside of it, such as {example}"
        if example == "models":
            fix = f"Use another prefix, such as {example}"
        yield problem("model.store.configuration_prefix", store.configuration_prefix, rule, fix)


def check_region_stores(parts: Parts) -> Iterator[Problem]:
    """Check the stores that regions name themselves."""
    serving = parts.get("model")
    if serving is None:
        return
    used_by: dict[tuple[StoreKind, str], str] = {}
    regions = parts.get("regions", ())
    primary = find_primary(regions, parts.get("primary")).name if regions else ""
    for index, region in enumerate(regions):
        region_path = item_path("regions", regions, index)
        yield from _check_region_store(region_path, region, region.name == primary, serving.store.kind)
        kind, path = serving.store.kind, f"{region_path}.bucket"
        name = region.bucket or serving.store.bucket_in(region.name, primary)
        if region.overrides is not None:
            kind = region.overrides.store_kind or OWN_STORE[region.overrides.platform]
            name = region.overrides.bucket
            path = f"{region_path}.overrides.bucket"
        if kind is StoreKind.NFS or name is None:
            continue
        other = used_by.setdefault((kind, name), region.name)
        if other != region.name:
            what = "file system" if kind is StoreKind.EFS else "bucket"
            rule = f"{other} has this {what}, and a {what} belongs to one region"
            yield problem(path, name, rule, f"Name another {what}")


def _check_region_store(region_path: str, region: Region, is_primary: bool, kind: StoreKind) -> Iterator[Problem]:
    if region.bucket is None:
        return
    name_rule, path = BUCKETS[kind], f"{region_path}.bucket"
    if region.overrides is not None:
        rule = "the region is in another cloud"
        yield problem(path, region.bucket, rule, f"Move it to {region_path}.overrides.bucket")
    elif is_primary:
        rule = "the primary region has the environment's own store"
        yield problem(path, region.bucket, rule, "Move it to model.store.bucket")
    elif not name_rule.matches(region.bucket):
        yield problem(path, region.bucket, name_rule.rule, f"Write it like {name_rule.example}")
