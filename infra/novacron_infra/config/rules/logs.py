"""Rules for the logs of containers."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.problems import MISSING, problem
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.sections.monitoring import LogDestination, Logs
from novacron_infra.config.sections.platform import Platform
from novacron_infra.errors import Problem

_PATH = "monitoring.logs"


def check_logs(parts: Parts) -> Iterator[Problem]:
    """Check where a cloud environment sends the logs of containers, and what that needs."""
    monitoring, clusters, platform = parts.get("monitoring"), parts.get("clusters"), parts.get("platform")
    logs = monitoring.logs if monitoring else None
    if logs is None:
        return
    yield from _check_destination(logs)
    if platform is None or clusters is None or clusters.add_ons:
        return
    on_aws = any(region.find_platform(platform) is Platform.AWS for region in parts.get("regions", ()))
    if logs.destination is LogDestination.LOKI or on_aws:
        rule = "the collector of logs is an add-on of the cluster"
        yield problem("clusters.add_ons", False, rule, f"Set it to true, or remove {_PATH}")


def check_own_logs(logs: Logs | None) -> Iterator[Problem]:
    """Check where a cluster of your own sends the logs of containers."""
    if logs is None:
        return
    yield from _check_destination(logs)
    if logs.destination is LogDestination.CLOUD:
        rule = "a cluster of your own has no log service of a cloud"
        yield problem(f"{_PATH}.destination", logs.destination.value, rule, f"Use loki, or remove {_PATH}")


def _check_destination(logs: Logs) -> Iterator[Problem]:
    """Check that there is a Loki exactly if logs go there."""
    if logs.destination is LogDestination.LOKI and logs.loki is None:
        fix = "Add its URL, such as loki: {url: https://loki.example.com}"
        yield problem(f"{_PATH}.loki", MISSING, "logs.destination is loki", fix)
    if logs.destination is LogDestination.CLOUD and logs.loki is not None:
        rule = "logs go to the cloud's log service"
        yield problem(f"{_PATH}.loki.url", logs.loki.url, rule, "Remove loki, or set destination to loki")
