"""Kubernetes versions that each cloud offers, by the catalogue's dated lists."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from novacron_infra.catalog import Cloud, KubernetesList, load_kubernetes_lists
from novacron_infra.clock import read_today
from novacron_infra.errors import Problem
from novacron_infra.shown_values import show_value

_VERSION = re.compile(r"1\.(0|[1-9]\d?)")
_PATCH = re.compile(r"v?(1\.\d+)\.\d+\S*")
WARNING_DAYS = 60
"""A version is warned of from this many days before its standard support ends."""


def check_version(
    path: str, version: str, cloud: Cloud | None = None, today: dt.date | None = None
) -> Iterator[Problem]:
    """Yield a problem if the cloud creates no cluster with this minor version of Kubernetes.

    Args:
        path: the path of the version.
        version: the minor version; the cloud chooses the patch.
        cloud: the cloud of the cluster to create. None: the cluster exists, and its version may be older.
        today: the date. None: today's.
    """
    if patch := _PATCH.fullmatch(version):
        yield Problem(path, version, "it names a patch, which the cloud chooses", f"Use {patch[1]}, in quotes")
    elif not _VERSION.fullmatch(version):
        rule = "it is not a minor version of Kubernetes"
        yield Problem(path, show_value(version), rule, "Write it like 1.35, in quotes")
    elif cloud is not None:
        yield from _check_offered(path, version, load_kubernetes_lists()[cloud], today or read_today())


def list_versions(cloud: Cloud) -> list[str]:
    """Return the minor versions of a cloud's list, oldest first, with those whose standard support has ended."""
    return [item.version for item in load_kubernetes_lists()[cloud].versions]


def find_ended_support(version: str, cloud: Cloud, today: dt.date) -> dt.date | None:
    """Return the day on which the standard support of a version ended. None: it has not, or the list has no date."""
    versions = load_kubernetes_lists()[cloud].versions
    until = next((item.standard_support_until for item in versions if item.version == version), None)
    return until if until is not None and until < today else None


def describe_end_of_support(path: str, version: str, cloud: Cloud, today: dt.date) -> str | None:
    """Return a warning if the standard support of a version ends within 60 days, with the price of staying."""
    found = load_kubernetes_lists()[cloud]
    until = next((item.standard_support_until for item in found.versions if item.version == version), None)
    if until is None or not today <= until <= today + dt.timedelta(days=WARNING_DAYS):
        return None
    days = (until - today).days
    when = "today" if days == 0 else "tomorrow" if days == 1 else f"in {days} days"
    later = _list_supported(found, until + dt.timedelta(days=1))
    use = f": use {_join(later)}" if later else ""
    return (
        f"{path} {version}: the standard support of {found.service} ends on {until}, {when}. Then it creates no "
        f"cluster with this version and upgrades those that exist{use}. {_describe_extended_support(found)}"
    )


def _describe_extended_support(found: KubernetesList) -> str:
    extended = found.extended_support
    return (
        f"Extended support, which NovaCron does not turn on, costs {extended.usd_per_cluster_hour:.2f} USD/h for each "
        f"cluster in place of {extended.standard_usd_per_cluster_hour:.2f} ({extended.as_of})"
    )


def _check_offered(path: str, version: str, found: KubernetesList, today: dt.date) -> Iterator[Problem]:
    supported = _list_supported(found, today)
    if version in supported:
        return
    use = f"Use {_join(supported)}" if supported else "Add newer versions to kubernetes_versions.yaml of the catalogue"
    until = next((item.standard_support_until for item in found.versions if item.version == version), None)
    if until is not None:
        rule = f"its standard support on {found.service} ended on {until}: no cluster is created with it"
        details = f"The cloud upgrades clusters that exist. {_describe_extended_support(found)}"
        yield Problem(path, version, rule, use, (details,))
    elif _find_minor(version) < _find_minor(found.versions[0].version):
        yield Problem(path, version, f"{found.service} no longer offered it on {found.as_of}", use)
    else:
        fix = f"{use}. If it is offered by now, add it to kubernetes_versions.yaml of the catalogue"
        yield Problem(path, version, f"{found.service} did not offer it on {found.as_of}", fix)


def _list_supported(found: KubernetesList, day: dt.date) -> list[str]:
    """Return the versions of a list that are in standard support on a day, oldest first."""
    return [
        item.version
        for item in found.versions
        if item.standard_support_until is None or item.standard_support_until >= day
    ]


def _find_minor(version: str) -> int:
    return int(version.partition(".")[2])


def _join(versions: list[str]) -> str:
    return versions[0] if len(versions) == 1 else f"{', '.join(versions[:-1])} or {versions[-1]}"
