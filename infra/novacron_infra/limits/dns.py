"""Limits of Route 53, Cloud DNS and Traffic Manager."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.errors import Problem

LONGEST_ARC_NAME = 64
"""Characters of the name of a control panel of ARC."""
CLOUD_DNS_LONGEST_INTERVAL_S = 300
DEFAULT_TIMEOUT_S = 5
"""Seconds that a probe of Traffic Manager waits at least, and if the configuration states no timeout."""


def check_traffic_manager_timeout(path: str, timeout_s: int, interval_s: int) -> Iterator[Problem]:
    """Yield a problem if Traffic Manager does not offer this timeout of a probe with this interval."""
    longest_s = 9 if interval_s == 10 else 10
    if not DEFAULT_TIMEOUT_S <= timeout_s <= longest_s:
        rule = f"with interval_s {interval_s} Traffic Manager waits {DEFAULT_TIMEOUT_S} to {longest_s} s"
        yield Problem(path, str(timeout_s), rule, f"Use {min(max(timeout_s, DEFAULT_TIMEOUT_S), longest_s)}")
