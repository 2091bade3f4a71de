"""Availability zones that the regions of each cloud have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from novacron_infra.catalog import Cloud, load_region_lists
from novacron_infra.errors import Problem
from novacron_infra.shown_values import show_value

AZURE_ZONES = ("1", "2", "3")
_LETTERS = "abcdef"
"""Letters of zones on AWS and Google Cloud, as far as the lists say no more."""
_SEPARATORS = {Cloud.AWS: "", Cloud.GCP: "-"}


def list_zones(cloud: Cloud, region: str) -> tuple[str, ...]:
    """Return the zones that a region may have. Azure has regions without any."""
    found = load_region_lists()[cloud]
    if cloud is Cloud.AZURE:
        return () if region in found.without_zones else AZURE_ZONES
    return tuple(f"{region}{_SEPARATORS[cloud]}{letter}" for letter in found.zone_letters.get(region, _LETTERS))


def check_zones(path: str, zones: Sequence[str], cloud: Cloud, region: str) -> Iterator[Problem]:
    """Yield a problem for each zone that the region does not have, or that is there twice.

    Args:
        path: the path of the list.
        zones: its items.
        cloud: the region's cloud.
        region: the region.
    """
    known = list_zones(cloud, region)
    found = load_region_lists()[cloud]
    for index, zone in enumerate(zones):
        where = f"{path}.{index}"
        if zone in zones[:index]:
            yield Problem(where, show_value(zone), "the list has this zone twice", "Name each zone once")
        elif not known:
            rule = f"{region} had no availability zones on {found.as_of}"
            yield Problem(where, show_value(zone), rule, "Remove the zones of this region")
        elif zone not in known:
            belongs = re.fullmatch(rf"{re.escape(region)}-?[a-z]\d*", zone) is not None
            rule = f"{region} had no such zone on {found.as_of}" if belongs else f"it is not a zone of {region}"
            named = cloud is Cloud.AZURE or region in found.zone_letters
            fix = f"Use {', '.join(known[:-1])} or {known[-1]}" if named else f"Write it like {known[0]}"
            yield Problem(where, show_value(zone), rule, fix)
