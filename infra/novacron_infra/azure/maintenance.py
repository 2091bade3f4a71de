"""The window in which AKS may change a cluster by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pulumi_azure_native import containerservice

from novacron_infra.errors import Problem

_FEWEST_HOURS, _MOST_HOURS = 4, 24
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True, kw_only=True, slots=True)
class MaintenanceWindow:
    """When AKS may change nodes by itself: once a week, UTC."""

    day: containerservice.WeekDay = containerservice.WeekDay.SUNDAY
    start: str = "02:00"
    hours: int = 6


def describe_window(window: MaintenanceWindow) -> containerservice.MaintenanceWindowArgs:
    """Return the window as AKS takes it."""
    return containerservice.MaintenanceWindowArgs(
        schedule=containerservice.ScheduleArgs(
            weekly=containerservice.WeeklyScheduleArgs(day_of_week=window.day, interval_weeks=1)
        ),
        start_time=window.start,
        duration_hours=window.hours,
        utc_offset="+00:00",
    )


def check_window(path: str, window: MaintenanceWindow) -> list[Problem]:
    """Return the problems of a window."""
    found: list[Problem] = []
    if not _TIME.fullmatch(window.start):
        found.append(Problem(f"{path}.start", window.start, "it is not a time of day", "Write it as 02:00"))
    if not _FEWEST_HOURS <= window.hours <= _MOST_HOURS:
        rule = f"AKS takes windows of {_FEWEST_HOURS} to {_MOST_HOURS} hours"
        found.append(Problem(f"{path}.hours", str(window.hours), rule, "Stay within"))
    return found
