"""Rules for regions in another cloud than the environment's."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.problems import MISSING, item_path, problem
from novacron_infra.config.rules.machines import check_machine, check_same_gpus
from novacron_infra.config.rules.model_store import check_store
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.rules.regions import REGION_NAMES, check_region_exists
from novacron_infra.config.sections.model_store import OWN_STORE
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.regions import Region, RegionOverrides, find_primary
from novacron_infra.errors import Problem


def check_overrides(parts: Parts) -> Iterator[Problem]:
    """Check `regions[].overrides`."""
    platform = parts.get("platform")
    regions = parts.get("regions", ())
    primary = find_primary(regions, parts.get("primary")).name if regions else None
    for index, region in enumerate(regions):
        path, overrides = f"{item_path('regions', regions, index)}.overrides", region.overrides
        if platform is None or overrides is None:
            continue
        if overrides.platform is platform:
            rule = f"{platform.value} is the environment's own cloud"
            yield problem(f"{path}.platform", platform.value, rule, "Remove overrides, or name another cloud")
            continue
        if region.name == primary:
            rule = f"the region is the primary, and the environment is on {platform.value}"
            fix = f"Make a region on {platform.value} the primary, or set platform to {overrides.platform.value}"
            yield problem(f"{path}.platform", overrides.platform.value, rule, fix)
        yield from _check_machines(path, overrides, parts)
        kind = overrides.store_kind or OWN_STORE[overrides.platform]
        yield from check_store(f"{path}.store_kind", f"{path}.bucket", kind, overrides.bucket, overrides.platform)
        yield from _check_nearest(f"{path}.nearest", overrides.nearest, platform, regions)


def _check_machines(path: str, overrides: RegionOverrides, parts: Parts) -> Iterator[Problem]:
    cloud = overrides.platform
    yield from check_machine(f"{path}.coordinators", overrides.coordinators, cloud, for_workers=False)
    yield from check_machine(f"{path}.workers", overrides.workers, cloud, for_workers=True)
    yield from check_same_gpus(f"{path}.workers", overrides.workers, parts.get("workers"))
    if overrides.storage is not None:
        yield from check_machine(f"{path}.storage", overrides.storage, cloud, for_workers=False)
    elif parts.get("storage") is not None:
        rule = "the environment has storage nodes, and so does this region"
        yield problem(f"{path}.storage", MISSING, rule, f"Name a machine of {cloud.value}")


def _check_nearest(path: str, nearest: str, platform: Platform, regions: tuple[Region, ...]) -> Iterator[Problem]:
    if not REGION_NAMES[platform].matches(nearest):
        rule = f"it is not a region of {platform.value}, whose DNS service routes by distance"
        yield problem(path, nearest, rule, f"Write it like {REGION_NAMES[platform].example}")
    elif nearest not in [item.name for item in regions if item.new]:
        yield from check_region_exists(path, nearest, platform)
