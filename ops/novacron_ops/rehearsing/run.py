"""A rehearsal: a stack brought up on simulated clouds, whose resources are then counted. Nothing real is touched."""

from __future__ import annotations

import os
import resource
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from novacron_rehearsal import (
    EventSink,
    Options,
    PolicyPackReport,
    PolicyPackSpec,
    PolicyViolated,
    Workspace,
    find_passphrase,
)
from novacron_rehearsal import urn as urns
from novacron_rehearsal.clouds import serve_clouds
from novacron_rehearsal.resource import ResourceState

from novacron_ops.rehearsing.waits import Waits, find_waits

NOWHERE = "all regions"
EVERYWHERE = ("aws:route53", "gcp:dns", "azure-native:dns", "azure-native:trafficmanager")
"""Services that answer in every region, wherever their API is."""


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Highest resident memory of the run, from `getrusage`, in bytes."""

    own: int
    """This process: the engine and the simulated clouds."""
    largest_child: int
    """The largest of the processes that it started: the program, policy packs, dynamic providers. An upper bound:
    Linux counts what a process had from its parent until it became a program of its own."""

    @classmethod
    def so_far(cls) -> PeakMemory:
        """Of this process, and of its children that have ended."""
        unit = 1 if sys.platform == "darwin" else 1024  # the one figure whose unit differs between systems
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return cls(own.ru_maxrss * unit, children.ru_maxrss * unit)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a rehearsal found."""

    succeeded: bool
    errors: str
    """Why not, a line or more each; empty when it did."""
    by_region: dict[str, Counter[str]]
    """Managed resources of each region by service, such as `aws:eks`."""
    waits: Waits
    policy_packs: tuple[PolicyPackReport, ...]
    """Every policy pack of the project, and whether it has checked the whole stack."""
    violations: list[PolicyViolated]
    duration_s: float
    peak_memory: PeakMemory

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
        workspace = Workspace(
            project_dir,
            stack,
            backend_dir=Path(folder),
            passphrase="rehearsal",  # noqa: S106 - of a state that is thrown away
            config_passphrase=find_passphrase(os.environ, project_dir / ".novacron") or "",
        )
        options = Options(attached_providers=ports, policy_packs=packs, simulated_only=True)
        result = workspace.up(options, on_event)
        resources = workspace.snapshot().resources
    return Rehearsal(
        succeeded=result.succeeded,
        errors=result.errors,
        by_region=count_by_region(resources),
        waits=find_waits(resources),
        policy_packs=result.policy_packs,
        violations=result.policy_violations,
        duration_s=result.duration_s,
        peak_memory=PeakMemory.so_far(),
    )


def count_by_region(resources: Sequence[ResourceState]) -> dict[str, Counter[str]]:
    """Managed resources of each region by service. `resources` stand in the state's order: what is needed is first.

    A resource is where its provider is, or where its own inputs say; global DNS is in none of them. What says nothing
    (a subnet in Azure, the provider of a cluster's Kubernetes API) is where the things are that it needs, if they are
    all in one region.
    """
    regions: dict[str, str] = {}
    found: dict[str, Counter[str]] = {}
    for state in resources:
        if not state.custom:
            continue
        stated = regions.get(state.provider.rpartition("::")[0]) or _own_region(state)
        needed = {regions[urn] for urn in state.needs() if urn in regions}
        region = stated or (needed.pop() if len(needed) == 1 else None)
        if _service(state).startswith(EVERYWHERE):
            region = None
        if region is not None:
            regions[state.urn] = region
        if not urns.is_provider(state.type):
            found.setdefault(region or NOWHERE, Counter())[_service(state)] += 1
    return found


def _own_region(state: ResourceState) -> str | None:
    named = (state.inputs.get(name) for name in ("region", "location"))
    return next((value for value in named if isinstance(value, str) and value not in ("", "global")), None)


def _service(state: ResourceState) -> str:
    return state.type.rsplit(":", 1)[0].split("/")[0]
