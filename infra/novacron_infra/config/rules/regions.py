"""Rules for the names, zones and workers of regions."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from novacron_infra.catalog import Cloud, load_region_lists
from novacron_infra.config.problems import KEY, MISSING, item_path, problem
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.rules.processes import check_worker_bounds
from novacron_infra.config.rules.traffic import check_region_weights, check_unique_labels
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.regions import Region
from novacron_infra.config.sections.workers import Workers
from novacron_infra.errors import Problem
from novacron_infra.field_rules import suggest_choice
from novacron_infra.limits.zones import check_zones, list_zones


@dataclass(frozen=True)
class RegionNames:
    """How a cloud writes its regions, and how many zones a region of ours has there."""

    pattern: str
    example: str
    minimum_zones: int
    maximum_zones: int = 3

    def matches(self, region: str) -> bool:
        """Return whether `region` is written as this cloud writes regions."""
        return re.fullmatch(self.pattern, region) is not None


REGION_NAMES = {
    Platform.AWS: RegionNames(r"[a-z]{2}(-[a-z]+)+-\d+", "us-west-2", 2),
    Platform.GCP: RegionNames(r"[a-z]+-[a-z]+\d+", "us-central1", 1),
    Platform.AZURE: RegionNames(r"[a-z]+\d?", "westus2", 0),
}
LONGEST_REGION_NAME = 23
"""Characters of northamerica-northeast1: names made from a region's then keep the clouds' limits."""
_TYPO_SIMILARITY = 0.8
"""How similar two names are when one is likely a typo of the other: us-west-5 and us-west-1, not us-east-1."""


def check_regions(parts: Parts) -> Iterator[Problem]:
    """Check the regions' names, zones and workers."""
    regions, platform = parts.get("regions", ()), parts.get("platform")
    yield from _check_primary(regions, parts.get("primary"))
    yield from check_unique_labels(regions)
    yield from check_region_weights(regions)
    for index, region in enumerate(regions):
        region_path = item_path("regions", regions, index)
        path = f"{region_path}.name"
        if len(region.name) > LONGEST_REGION_NAME:
            rule = f"it has {len(region.name)} characters, and the name of a region has at most {LONGEST_REGION_NAME}"
            yield problem(path, region.name, rule, "Write the name as the cloud writes it")
        elif platform is not None:
            cloud = region.find_platform(platform)
            if not REGION_NAMES[cloud].matches(region.name):
                rule = f"it is not written like a region of {cloud.value}"
                meant = _find_meant_region(region.name, cloud)
                fix = f"Write it as {meant}" if meant else f"Write it like {REGION_NAMES[cloud].example}"
                yield problem(path, region.name, rule, fix)
                continue
            if cloud is Platform.AWS and (partition := _find_other_partition(region.name)) is not None:
                rule = f"{partition} has other names of services, which NovaCron does not use"
                yield problem(path, region.name, rule, "Use another region")
                continue
            if not region.new:
                escape = f". If it has opened since, set {region_path}.new to true"
                yield from check_region_exists(path, region.name, cloud, escape)
            yield from _check_zones(f"{region_path}.zones", region, cloud)
            yield from _check_control_plane_zones(f"{region_path}.control_plane_zones", region, cloud)
    yield from _check_region_workers(regions, parts.get("workers"))


def _find_meant_region(name: str, platform: Platform) -> str | None:
    """Return the region that a name means which differs in case, spaces and hyphens only: westus2 for West US 2."""
    lists = load_region_lists()
    known = lists.get(Cloud(platform.value))
    if any(name in other.names for other in lists.values()):
        return None  # it is a region of another cloud, not a misspelt one of this
    plain = re.sub(r"[\s_-]", "", name.lower())
    return next((item for item in known.names if item.replace("-", "") == plain), None) if known else None


def _find_other_partition(region: str) -> str | None:
    """Return the partition of AWS that a region is in, if its services have other host names than amazonaws.com."""
    partitions = {"cn-": "AWS China", "eusc-": "the AWS European Sovereign Cloud"}
    return next((name for prefix, name in partitions.items() if region.startswith(prefix)), None)


def _check_primary(regions: Sequence[Region], primary: str | None) -> Iterator[Problem]:
    names = [region.name for region in regions]
    if primary is not None and names and primary not in names:
        yield problem("primary", primary, "no region has this name", suggest_choice(primary, ", ".join(names)))


def check_region_exists(path: str, name: str, platform: Platform, escape: str = "") -> Iterator[Problem]:
    """Report a region that is not on the catalogue's list of its cloud: a typo would otherwise show late.

    Args:
        path: the path of the name.
        name: the region, as the user typed it.
        platform: its cloud.
        escape: what to do when the list is out of date, appended to the fix.
    """
    found = load_region_lists().get(Cloud(platform.value))
    if found is None or name in found.names:
        return
    near = sorted(difflib.get_close_matches(name, found.names, cutoff=_TYPO_SIMILARITY))
    fix = f"Did you mean {' or '.join(near)}?" if near else f"Write it like {REGION_NAMES[platform].example}"
    escape = escape.removeprefix(".") if near else escape
    yield problem(path, name, f"{platform.value} had no such region on {found.as_of}", fix + escape)


def _check_zones(path: str, region: Region, platform: Platform) -> Iterator[Problem]:
    names, cloud = REGION_NAMES[platform], Cloud(platform.value)
    known = list_zones(cloud, region.name)
    fewest, most = names.minimum_zones, names.maximum_zones
    if known and not fewest <= len(region.zones) <= most:
        rule = f"a region on {platform.value} has {fewest} to {most} zones"
        fix = f"List {fewest} to {most} zones, such as {known[0]}" if fewest else f"List at most {most} zones"
        yield problem(path, ", ".join(region.zones) if region.zones else MISSING, rule, fix)
    yield from check_zones(f"{KEY}.{path}", region.zones, cloud, region.name)
    preferred = region.preferred_zone
    if preferred is not None and preferred not in region.zones:
        path = f"{path.removesuffix('.zones')}.preferred_zone"
        shown = ", ".join(region.zones)
        fix = suggest_choice(preferred, shown) if region.zones else "List it in zones, or remove this key"
        yield problem(path, preferred, "the region does not have this zone", fix)


def _check_control_plane_zones(path: str, region: Region, platform: Platform) -> Iterator[Problem]:
    zones = region.control_plane_zones
    if not zones:
        return
    if platform is not Platform.AWS:
        rule = f"on {platform.value} the cloud chooses the zones of a control plane"
        yield problem(path, ", ".join(zones), rule, "Remove this key")
        return
    for index, zone in enumerate(zones):
        if zone not in region.zones:
            rule, fix = "the region does not have this zone", f"Use zones of {', '.join(region.zones)}"
            yield problem(f"{path}.{index}", zone, rule, fix)
    if len(set(zones)) < 2:
        rule = "a control plane of EKS needs two zones"
        yield problem(path, ", ".join(zones), rule, "Name at least two, those in which the cluster was created")


def _check_region_workers(regions: Sequence[Region], workers: Workers | None) -> Iterator[Problem]:
    stated = [region.workers for region in regions if region.workers is not None]
    for index, region in enumerate(regions):
        path = f"{item_path('regions', regions, index)}.workers"
        if region.workers is not None:
            yield from check_worker_bounds(path, region.workers)
        elif stated:
            rule = "other regions state their workers, and this one does not"
            yield problem(path, MISSING, rule, "State the workers of every region, or of none")
    if workers is None or not stated or len(stated) != len(regions):
        return
    sums: Counter[str] = Counter()
    for share in stated:
        sums.update(count=share.count, minimum=share.minimum, maximum=share.maximum)
    totals = {"count": workers.count, "minimum": workers.minimum, "maximum": workers.maximum}
    for name, total in totals.items():
        if total != sums[name]:
            rule = f"workers.{name} of the regions add up to {sums[name]}"
            yield problem(f"workers.{name}", total, rule, f"Use {sums[name]}, or change the regions")
