"""Updates that a running server refuses.

Versions go up only, Kubernetes one minor version at a time, and a control plane of EKS stays in its zones.

What runs is in the stack's state, which the configuration does not have: Pulumi calls a hook with it, in the preview
as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

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


def guard_control_plane(name: str) -> pulumi.ResourceHookBinding:
    """Return the hook of a cluster on EKS: its version, and the zones of its control plane, which cannot change.

    An update has to name subnets of the same zones as the creation (AWS on aws/containers-roadmap#170, 2023-10-24;
    #2258 asks for more and is open). GKE chooses the zones of a control plane, and `nodeLocations` changes in place. On
    AKS only node pools have zones: each has one, and the system pool has all zones of the region.
    """

    def check(args: pulumi.ResourceHookArgs) -> None:
        if found := check_subnets(name, _count_subnets(args.old_inputs), _count_subnets(args.new_inputs)):
            raise ValueError(str(found))

    hook = pulumi.ResourceHook(f"{name}-zones", check, pulumi.ResourceHookOptions(on_dry_run=True))
    versions = guard_kubernetes(name, "version", "version")
    return pulumi.ResourceHookBinding(before_update=[*(versions.before_update or []), hook])


def check_subnets(name: str, before: int, wanted: int) -> Problem | None:
    """Return the problem of a control plane that is to have subnets in more or fewer zones, or None.

    Args:
        name: name of the cluster.
        before: the number of its subnets.
        wanted: the number that the update wants.
    """
    if not before or not wanted or before == wanted:
        return None
    rule = f"the control plane has {before}, and EKS accepts no other zones than those that it was created with"
    fix = "State the present zones as regions[].control_plane_zones: nodes in other zones work without it"
    if wanted < before:
        fix = "Keep the zone in zones, and take its workers away with worker_capacity.zones"
    return Problem(f"{name}.subnet_ids (regions[].zones of an environment)", f"{wanted} zones", rule, fix)


def _count_subnets(values: Mapping[str, Any] | None) -> int:
    """Return how many subnets the inputs of a cluster name; 0 if they are not known."""
    config = (values or {}).get("vpcConfig")
    subnets = cast("Mapping[str, object]", config).get("subnetIds") if isinstance(config, Mapping) else None
    return len(cast("list[object]", subnets)) if isinstance(subnets, list) else 0
