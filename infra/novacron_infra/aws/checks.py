"""Rules for names and log retention that several AWS components share."""

from __future__ import annotations

import re

from novacron_infra.errors import Problem

LONGEST_NAME = 40
"""Maximum length of a component's name.

Its resources add a suffix such as -replication and 8 random characters; node groups allow 63 characters, roles 64."""
_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
RETENTION_DAYS = tuple(
    int(days)
    for days in "1 3 5 7 14 30 60 90 120 150 180 365 400 545 731 1096 1827 2192 2557 2922 3288 3653".split()  # noqa: SIM905
)
"""Retention periods that CloudWatch Logs offers (API reference, PutRetentionPolicy)."""


def check_name(name: str, longest: int = LONGEST_NAME) -> list[Problem]:
    """Yield a problem if AWS would reject the names that are derived from a component's name."""
    if len(name) > longest:
        rule = f"it has {len(name)} characters, and {longest} leave room for what its resources' names add"
        return [Problem("name", name, rule, "Shorten it")]
    if not _NAME.fullmatch(name):
        return [Problem("name", name, "names are lower-case letters, digits and -", "Write it as prod-us-west-2")]
    return []


def check_retention(path: str, days: int) -> list[Problem]:
    """Yield a problem if CloudWatch Logs does not offer this retention period."""
    if days in RETENTION_DAYS:
        return []
    longer = next((item for item in RETENTION_DAYS if item > days), RETENTION_DAYS[-1])
    return [Problem(path, str(days), "CloudWatch Logs does not offer this retention period", f"Use {longer}")]
