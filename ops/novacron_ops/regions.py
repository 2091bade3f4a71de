"""Which regions a stack has, and how one is left out of an update."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from novacron_infra.config import LocalEnvironment, load
from novacron_infra.config.problems import KEY
from novacron_rehearsal import urn

from novacron_ops.backends import Backend
from novacron_ops.description import configuration
from novacron_ops.errors import Exit, OpsError


def is_cloud(project: Path, stack: str) -> bool:
    """Whether a stack describes an environment in a cloud. A description with problems is the program's to refuse."""
    given = _given(project, stack)
    return isinstance(given, dict) and cast("dict[str, object]", given).get("platform") != "local"


def exclusions(project: Path, stack: str, without: Sequence[str]) -> tuple[str, ...]:
    """Patterns of the URNs of everything in these regions: names there begin with `<environment>-<region>`.

    Raises:
        OpsError: for a region that the stack does not have.
    """
    prefixes = _prefixes(project, stack, without)
    return tuple(f"**::{pattern}" for prefix in prefixes.values() for pattern in (prefix, f"{prefix}-*"))


def deployed_exclusions(project: Path, stack: str, without: Sequence[str], backend: Backend) -> tuple[str, ...]:
    """As `exclusions`, of regions that are deployed: what spans regions needs something of each.

    CLI 3.260 would not refuse it: it writes a state that it cannot read again.

    Raises:
        OpsError: for a region that the stack, or its state, does not have.
    """
    exclude = exclusions(project, stack, without)
    if not exclude:
        return ()
    # A provider is nothing in a cloud, and is in the state even of a region that was left out when it was new.
    names = [parsed.name for parsed in map(urn.parse, backend.urns()) if not urn.is_provider(parsed.type)]
    for region, prefix in _prefixes(project, stack, without).items():
        if not any(name == prefix or name.startswith(f"{prefix}-") for name in names):
            raise OpsError(
                f"--without-region {region}: the state of stack {stack!r} has nothing of this region; only one that is "
                f"deployed can be left out. Drop the option, or take {region} out of {KEY}.regions for now",
                Exit.BAD_INPUT,
            )
    return exclude


def _prefixes(project: Path, stack: str, without: Sequence[str]) -> dict[str, str]:
    """What the names of everything in each of these regions begin with."""
    if not without:
        return {}
    config = load(_given(project, stack))
    if isinstance(config, LocalEnvironment):
        raise OpsError(f"--without-region: stack {stack!r} is local and has no regions", Exit.BAD_INPUT)
    known = [region.name for region in config.regions]
    for name in without:
        if name not in known:
            raise OpsError(
                f"--without-region {name}: stack {stack!r} has no such region; it has: {', '.join(known)}",
                Exit.BAD_INPUT,
            )
    if not set(known) - set(without):
        raise OpsError("--without-region: no region is left to update", Exit.BAD_INPUT)
    return {name: f"{config.environment.value}-{name}" for name in without}


def _given(project: Path, stack: str) -> object:
    return configuration(project / f"Pulumi.{stack}.yaml").get(KEY)
