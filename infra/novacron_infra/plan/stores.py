"""What model stores that are file systems mean: how long weights take from them, and where models are not copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from novacron_infra.config import Platform, StoreKind
from novacron_infra.config.environment import CloudEnvironment
from novacron_infra.plan.sizing import ReplicaSize
from novacron_infra.stores import (
    AZURE_FILES_MIB_PER_S,
    EFS_MEASURED_MIB_PER_S,
    EFS_MIB_PER_S,
    FILESTORE_MIB_PER_S,
    load_warning,
)

_MADE = {
    # One client's rate, which is below what the file system is provisioned with.
    (Platform.AWS, StoreKind.EFS): ("EFS", min(EFS_MIB_PER_S, EFS_MEASURED_MIB_PER_S), "use s3"),
    (Platform.GCP, StoreKind.NFS): ("Filestore", FILESTORE_MIB_PER_S, "use gcs"),
    (Platform.AZURE, StoreKind.NFS): ("Azure Files", AZURE_FILES_MIB_PER_S, "use azure"),
}
"""The clouds' own file systems: name, MiB/s for one replica, and what to take instead."""


def efs_copy(config: CloudEnvironment) -> tuple[str, str] | None:
    """From which region's EFS file system to which other's models are copied: a file system has one replica.

    The first region with EFS, and the first other one whose file system is made here: a replica is overwritten.
    """
    with_efs, made = _with_efs(config)
    others = [name for name in made if name != with_efs[0]] if with_efs else []
    return (with_efs[0], others[0]) if others else None


def store_warnings(config: CloudEnvironment, sizes: Sequence[ReplicaSize]) -> Iterator[str]:
    """What to know of file systems as model stores, before anything is made."""
    weights_gb = round(max(size.replica_weight_bytes for size in sizes) / 1e9)
    made: dict[tuple[Platform, StoreKind], list[str]] = {}
    mounted: dict[str, list[str]] = {}
    for region in config.regions:
        cloud, kind = region.platform(config.platform), config.store_kind(region)
        bucket = config.buckets(cloud)[region.name]
        if kind is StoreKind.NFS and bucket is not None:
            mounted.setdefault(bucket, []).append(region.name)
        elif (cloud, kind) in _MADE:
            made.setdefault((cloud, kind), []).append(region.name)
    for store, names in made.items():
        what, rate, fix = _MADE[store]
        if warning := load_warning(what, weights_gb, rate, config.model.loader.timeout_s, fix):
            yield warning
        if store[1] is StoreKind.NFS and len(names) > 1:
            yield f"models are not copied between {', '.join(names)}: put them into each region's {what}"
    copy, (_, made_efs) = efs_copy(config), _with_efs(config)
    if left := [name for name in made_efs if copy is not None and name not in copy]:
        yield f"models are not copied to {', '.join(left)}: EFS copies a file system to one other"
    for export, names in mounted.items():
        yield f"workers in {', '.join(names)} mount {export}: nothing here connects their network with the server"


def _with_efs(config: CloudEnvironment) -> tuple[list[str], list[str]]:
    """Regions with EFS, and those of them whose file system is made."""
    buckets = config.buckets(Platform.AWS)
    found = [item.name for item in config.regions if config.store_kind(item) is StoreKind.EFS]
    return found, [name for name in found if buckets[name] is None]
