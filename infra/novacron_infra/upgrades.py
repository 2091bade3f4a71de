"""Versions of running servers: no downgrade, and Kubernetes one minor version at a time.

What runs is in the stack's state, which the configuration does not have: Pulumi calls a hook with it, in the preview
as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from novacron_infra.errors import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionRule:
    """How a server's version may change."""

    path: str
    """Path of the version that the user writes."""
    wanted: str
    """Input with the wanted version."""
    running: str
    """Output with the version that runs."""
    steps: int | None = None
    """Minor versions that one update may go up. None: any number."""


def guard_version(name: str, rule: VersionRule) -> pulumi.ResourceHookBinding:
    """Return the hook that refuses an update of the resource to a version that its server cannot go to.

    Args:
        name: name of the resource, which makes that of the hook.
        rule: how the version may change.
    """

    def check(args: pulumi.ResourceHookArgs) -> None:
        before, wanted = _find(args.old_inputs, rule.wanted), _find(args.new_inputs, rule.wanted)
        # A cloud may have upgraded the server by itself: that does not prevent other changes.
        if wanted != before:
            running = _find(args.old_outputs, rule.running) or before
            if found := check_upgrade(rule, running, wanted):
                raise ValueError(str(found))

    hook = pulumi.ResourceHook(f"{name}-version", check, pulumi.ResourceHookOptions(on_dry_run=True))
    return pulumi.ResourceHookBinding(before_update=[hook])


def check_upgrade(rule: VersionRule, running: str | None, wanted: str | None) -> Problem | None:
    """Return the problem of an update from one version to another, or None. A version that is not known has none."""
    old, new = _parse(running), _parse(wanted)
    if not old or not new:
        return None
    if new < old[: len(new)]:
        fix = f"Use {_show(old[: len(new)])} or a later version"
        return Problem(rule.path, wanted, f"{_show(old)} runs, and servers do not go back", fix)
    if rule.steps is not None and (new[0] != old[0] or new[1] > old[1] + rule.steps):
        following = f"{old[0]}.{old[1] + rule.steps}"
        fix = f"Use {following} first, and the next one when all regions run it"
        return Problem(rule.path, wanted, f"{_show(old[:2])} runs, and an update goes one minor version at a time", fix)
    return None


def _find(values: Mapping[str, Any] | None, key: str) -> str | None:
    value = (values or {}).get(key)
    return value if isinstance(value, str) else None


def _parse(version: str | None) -> tuple[int, ...]:
    """Return the numbers of a version such as 1.34, 1.33.5-gke.1 or POSTGRES_17."""
    found = re.search(r"\d+(\.\d+)*", version or "")
    return tuple(int(number) for number in found[0].split(".")) if found else ()


def _show(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def guard_kubernetes(name: str, wanted: str, running: str) -> pulumi.ResourceHookBinding:
    """Return the hook of a cluster, whose inputs and outputs have the version under these names."""
    path = f"{name}.kubernetes_version (clusters.version of an environment)"
    return guard_version(f"{name}-kubernetes", VersionRule(path=path, wanted=wanted, running=running, steps=1))


def guard_postgres(name: str, wanted: str) -> pulumi.ResourceHookBinding:
    """Return the hook of a database server, whose inputs and outputs have the version under this name."""
    rule = VersionRule(path=f"{name}.version", wanted=wanted, running=wanted)
    return guard_version(f"{name}-postgres", rule)
