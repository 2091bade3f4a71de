"""Rules for names, regions, subscriptions, networks and log retention of Azure components."""

from __future__ import annotations

import re
from itertools import chain

from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem
from novacron_infra.limits.names import AZURE_ACCOUNT
from novacron_infra.limits.tags import check_tag
from novacron_infra.limits.tags import check_tags as check_more_tags
from novacron_infra.tags import Tags

LONGEST_NAME = 46
"""Maximum length of a component's name, to which resources add a suffix such as -endpoint and 8 random characters.
Clusters allow 63 characters, private endpoints 64."""
RETENTION_DAYS = range(30, 731)
"""Days that Log Analytics keeps interactive data (Azure Monitor limits, read on 2026-11-25)."""
_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_REGION = re.compile(r"[a-z]+[0-9]?")
_ID = (
    r"/subscriptions/[0-9a-fA-F-]{36}/resourceGroups/[^/]+/providers/Microsoft\.Compute/capacityReservationGroups/[^/]+"
)
_RESERVATION_GROUP = re.compile(_ID)


def check_name(name: str, longest: int = LONGEST_NAME) -> list[Problem]:
    """Whether the names made from a component's name will be accepted."""
    if len(name) > longest:
        rule = f"it has {len(name)} characters, and names made from it may have {longest} of it"
        return [Problem("name", name, rule, "Shorten it")]
    if not _NAME.fullmatch(name):
        return [Problem("name", name, "names are lower-case letters, digits and -", "Write it as prod-westus2")]
    return []


def check_region(path: str, region: str) -> list[Problem]:
    """Whether this is how Azure Resource Manager writes a region."""
    if _REGION.fullmatch(region):
        return []
    return [Problem(path, region, "Azure writes no region like this", "Write it as westus2")]


def check_account(path: str, account: str) -> list[Problem]:
    """Return a problem if a storage account cannot have this name, which is unique in all of Azure."""
    return list(AZURE_ACCOUNT.check(path, account))


def check_retention(path: str, days: int) -> list[Problem]:
    """Return a problem if Log Analytics does not offer this retention period."""
    if days in RETENTION_DAYS:
        return []
    low, high = RETENTION_DAYS[0], RETENTION_DAYS[-1]
    rule = f"Log Analytics keeps {low} to {high} days"
    return [Problem(path, str(days), rule, f"Use {min(max(days, low), high)}")]


def is_reservation_group(text: str) -> bool:
    """Whether this is the id of a capacity reservation group."""
    return _RESERVATION_GROUP.fullmatch(text) is not None


def check_tags(name: str, tags: Tags) -> list[Problem]:
    """Return a problem for each tag of a component that Azure refuses."""
    own = {"Environment": tags.environment, "Project": tags.project}
    found = [check_tag(f"{name}.tags.{tag.lower()}", tag, value, Cloud.AZURE) for tag, value in own.items()]
    return [*chain.from_iterable(found), *check_more_tags(f"{name}.tags", tags.more, Cloud.AZURE)]
