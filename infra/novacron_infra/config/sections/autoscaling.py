"""`autoscaling`: when workers are added and removed, and how fast."""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, PositiveInt

from novacron_infra.config.sections.base import Fraction, Instances, Section, TextPattern, broken_rule, check_port

_LONGEST_WINDOW_S, _LONGEST_PERIOD_S = 3600, 1800
"""Limits of Kubernetes' autoscaler for `stabilizationWindowSeconds` and `periodSeconds`."""

PositiveFraction = Annotated[float, Field(gt=0, le=1)]
TimeOfDay = Annotated[
    str, TextPattern(r"([01][0-9]|2[0-3]):[0-5][0-9]", "a time of day has hours and minutes", "09:00")
]


@cache
def _list_time_zones() -> set[str]:
    """Return the names of the time zone database, without those that mean something else on another machine."""
    return available_timezones() - {"localtime", "posixrules", "Factory"}


def _check_time_zone(name: str) -> str:
    if name not in _list_time_zones():
        same = [zone for zone in _list_time_zones() if zone.lower() == name.strip().lower()]
        fix = f"Write it as {same[0]}" if same else "Write it like Europe/Berlin or UTC"
        raise broken_rule("it is not in the time zone database", fix)
    return name


ServiceUrl = Annotated[
    str,
    TextPattern(
        r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[^\s?#]*[^/\s?#])?",
        "a base URL starts with http:// or https://, has no user, and does not end with / or a query",
        "http://prometheus.monitoring.svc:9090",
    ),
    AfterValidator(check_port),
]
TimeZone = Annotated[str, AfterValidator(_check_time_zone)]


class Trigger(Section):
    """A utilization of the workers that has to last for some time."""

    utilization_fraction: Fraction
    """Utilization of the workers, as a fraction: 0.8 is 80%."""
    for_s: Annotated[int, Field(ge=1, le=_LONGEST_WINDOW_S)]
    """Seconds that the utilization must last."""


class RateLimit(Section):
    """The most workers that change within a time: it is the cooldown as well."""

    workers: PositiveInt
    """Number of workers. A replica that is larger still changes as a whole."""
    per_s: Annotated[int, Field(ge=1, le=_LONGEST_PERIOD_S)]
    """The time in seconds."""


class Emergency(RateLimit):
    """A load that is answered at once: neither `scale_up.for_s` nor `scale_up_limit` applies."""

    utilization_fraction: Annotated[float, Field(gt=1)] = 1.5
    """Load in relation to what the workers hold: 1.5 means that half as many requests again are waiting."""
    workers: PositiveInt = 64
    """The most workers that are added within the time."""
    per_s: Annotated[int, Field(ge=1, le=_LONGEST_PERIOD_S)] = 60
    """The time in seconds."""


class Day(str, Enum):
    """A day of the week."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


class Schedule(Section):
    """Times of the week with other values. Where schedules overlap, the later one of the list wins."""

    name: Annotated[
        str,
        TextPattern(r"[a-z][a-z0-9_]{0,29}", "a name has lower-case letters, digits and underscores", "weekend"),
    ]
    """Name of the schedule."""
    days: Annotated[tuple[Day, ...], Field(min_length=1)]
    """Days of the week."""
    start: TimeOfDay = "00:00"
    """Hours and minutes."""
    end: TimeOfDay = "23:59"
    """After `start`. The schedule holds until this minute."""
    time_zone: TimeZone = "UTC"
    """A name of the time zone database, such as America/Los_Angeles."""
    utilization_fraction: PositiveFraction | None = None
    """Replaces `scale_up.utilization_fraction`: a higher value serves the same load with fewer workers."""
    minimum_workers: Instances | None = None
    """Replaces `workers.minimum`, if it is higher."""


class Autoscaling(Section):
    """When workers are added and removed.

    The load is the requests that run or wait, in relation to what the workers run at the same time, or the use of their
    KV caches, whichever is higher.
    """

    scale_up: Trigger = Trigger(utilization_fraction=0.8, for_s=300)
    """When the utilization is above this value for this time, workers are added."""
    scale_down: Trigger = Trigger(utilization_fraction=0.4, for_s=900)
    """When the utilization is below this value for this time, workers are removed."""
    target_utilization_fraction: PositiveFraction = 0.6
    """Utilization after a change. It must be between the two."""
    scale_up_limit: RateLimit = RateLimit(workers=16, per_s=300)
    """The most workers that are added within a time."""
    scale_down_limit: RateLimit = RateLimit(workers=8, per_s=300)
    """The most workers that are removed within a time. Each drains first."""
    emergency: Emergency = Emergency()
    """When workers are added at once."""
    schedules: tuple[Schedule, ...] = ()
    """Times of the week with other values."""
    ceiling_workers: Instances = 256
    """Highest number that `workers.maximum` may be set to."""
    requests_per_replica: PositiveInt = 64
    """Requests at the same time that count as a full replica.

    More run together, each more slowly: with 64, Llama-3.1-405B in FP8 takes 41 ms a token on eight H200
    (aiconfigurator 0.12.0, 2026-11).
    """
    kv_cache_full_fraction: PositiveFraction = 0.85
    """Use of a worker's KV cache that counts as full, as a fraction."""
    prometheus_url: ServiceUrl | None = None
    """Base URL of Prometheus inside the clusters, for KEDA. Left out: the one that `add_ons.monitoring` installs."""
    cpu_target_fraction: Fraction = 0.8
    """CPU utilization of coordinators, as a fraction. It is not used yet: their number is fixed."""
