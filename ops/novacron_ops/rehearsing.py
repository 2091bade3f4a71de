"""A rehearsal: a stack brought up on simulated clouds, whose resources are then counted. Nothing real is touched."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from novacron_rehearsal import EventSink, Options, PolicyPackSpec, PolicyViolated, Workspace
from novacron_rehearsal import urn as urns
from novacron_rehearsal.clouds import serve_clouds
from novacron_rehearsal.resource import ResourceState

NOWHERE = "all regions"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a rehearsal found."""

    succeeded: bool
    by_region: dict[str, Counter[str]]
    """Managed resources of each region by service, such as `aws:eks`."""
    violations: list[PolicyViolated]
    duration_s: float

    @property
    def resources(self) -> int:
        """Managed resources of all regions."""
        return sum(count.total() for count in self.by_region.values())


def rehearse(project_dir: Path, stack: str, packs: list[PolicyPackSpec], faults: str, on_event: EventSink) -> Rehearsal:
    """Bring a stack up from nothing on simulated clouds, in a state of its own.

    Args:
        project_dir: folder of Pulumi.yaml.
        stack: its name.
        packs: policies that every resource is held to.
        faults: a file of faults, or their text; empty for none.
        on_event: told of every step.

    Raises:
        RehearsalError: when the run cannot begin.
    """
    with TemporaryDirectory() as folder, serve_clouds(faults=faults) as ports:
        workspace = Workspace(project_dir, stack, backend_dir=Path(folder), passphrase="rehearsal")  # noqa: S106 - of nothing
        result = workspace.up(Options(attached_providers=ports, policy_packs=packs), on_event)
        resources = workspace.snapshot().resources
    regions = {
        state.urn: str(state.inputs.get("region", NOWHERE)) for state in resources if urns.is_provider(state.type)
    }
    by_region: dict[str, Counter[str]] = {}
    for state in resources:
        if state.custom and not urns.is_provider(state.type):
            by_region.setdefault(_region(state, regions), Counter())[_service(state)] += 1
    return Rehearsal(result.succeeded, by_region, result.policy_violations, result.duration_s)


def _region(state: ResourceState, regions: dict[str, str]) -> str:
    return regions.get(state.provider.rpartition("::")[0], NOWHERE)


def _service(state: ResourceState) -> str:
    return state.type.rsplit(":", 1)[0].split("/")[0]
