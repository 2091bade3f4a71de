"""Leaving a region of a stack out of an update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from novacron_infra.config import CloudEnvironment, LocalEnvironment, load
from novacron_infra.names import shorten_name
from novacron_rehearsal import urn

from novacron_ops.backends import Backend
from novacron_ops.errors import Exit, OpsError
from novacron_ops.project import ENVIRONMENT_KEY, ProjectStack


def region_patterns(stack: ProjectStack, regions: Sequence[str]) -> tuple[str, ...]:
    """Return URN patterns of every resource in these regions.

    Names begin with `<environment>-<region>`, or are that, shortened.

    Raises:
        OpsError: if the stack does not have one of the regions, or no other region is left.
    """
    return _patterns(_name_prefixes(stack, regions))


def deployed_region_patterns(stack: ProjectStack, regions: Sequence[str], backend: Backend) -> tuple[str, ...]:
    """Return the patterns of `region_patterns` after checking that every region is deployed.

    Resources that span regions need an output of each region. CLI 3.260 does not refuse a region that is missing from
    the state; it writes a state that it cannot read again.

    Raises:
        OpsError: if the stack or its state does not have one of the regions.
    """
    prefixes = _name_prefixes(stack, regions)
    if not prefixes:
        return ()
    # A provider is not a cloud resource. The state has the provider even of a region that was left out when it was new.
    names = [parsed.name for parsed in map(urn.parse, backend.urns()) if not urn.is_provider(parsed.type)]
    for region, prefix in prefixes.items():
        if not any(name == prefix or name.startswith(f"{prefix}-") for name in names):
            raise OpsError(
                f"--without-region {region}: the state of stack {stack.name!r} has no resources in this region; only a "
                f"deployed region can be left out. Drop the option, or remove {region} from "
                f"{ENVIRONMENT_KEY}.regions for now",
                Exit.BAD_INPUT,
            )
    return _patterns(prefixes)


def _patterns(prefixes: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        f"**::{pattern}"
        for prefix in prefixes.values()
        for pattern in dict.fromkeys((prefix, f"{prefix}-*", shorten_name(prefix)))
    )


def _name_prefixes(stack: ProjectStack, regions: Sequence[str]) -> dict[str, str]:
    """Return the prefix of all resource names in each region."""
    if not regions:
        return {}
    config = load(stack.read_environment())
    if not isinstance(config, CloudEnvironment):
        place = "is local" if isinstance(config, LocalEnvironment) else "runs in one cluster"
        raise OpsError(f"--without-region: stack {stack.name!r} {place} and has no regions", Exit.BAD_INPUT)
    known = [region.name for region in config.regions]
    for name in regions:
        if name not in known:
            raise OpsError(
                f"--without-region {name}: stack {stack.name!r} has no such region; its regions are {', '.join(known)}",
                Exit.BAD_INPUT,
            )
    if not set(known) - set(regions):
        raise OpsError("--without-region: all regions are left out; keep at least one", Exit.BAD_INPUT)
    return {name: f"{config.environment}-{name}" for name in regions}
