"""Running a rehearsal: deploy a stack to simulated clouds, in a state of its own that is thrown away."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from novacron_infra.image_digests import WITHOUT_DIGESTS
from novacron_rehearsal import EventSink, Options, PolicyPackReport, PolicyViolated, Workspace, find_passphrase
from novacron_rehearsal.clouds import serve_clouds
from novacron_rehearsal.events import Event, StepEnded

from novacron_ops.data_losses import LossRecorder
from novacron_ops.errors import Exit, OpsError
from novacron_ops.project import ProjectStack
from novacron_ops.rehearsal.placement import count_by_region
from novacron_ops.rehearsal.timeouts import CreationTimeouts, find_timeouts


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Highest resident memory of a run in bytes, from `getrusage`."""

    own: int
    """Memory of this process: the engine and the simulated clouds."""
    largest_child: int
    """Memory of the largest child process: the program or a policy pack.

    An upper bound: on Linux it includes the memory that a child shares with its parent before it starts its program.
    """

    @classmethod
    def measure(cls) -> PeakMemory:
        """Return the peak so far of this process and of its children that have ended."""
        unit = 1 if sys.platform == "darwin" else 1024  # macOS reports bytes, Linux kibibytes
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return cls(own.ru_maxrss * unit, children.ru_maxrss * unit)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The result of a rehearsal."""

    succeeded: bool
    errors: str
    """Error messages, one or more lines each; empty if the rehearsal succeeded."""
    by_region: dict[str, Counter[str]]
    """Managed resources of each region by service, such as `aws:eks`."""
    timeouts: CreationTimeouts
    policy_packs: tuple[PolicyPackReport, ...]
    """Every policy pack of the project, and whether it has checked the whole stack."""
    violations: list[PolicyViolated]
    duration_s: float
    peak_memory: PeakMemory
    simulated_dynamic: tuple[str, ...] = ()
    """URNs of the dynamic resources whose providers did not run."""
    started: bool = True
    """False if the stack's configuration could not be read."""
    started_plugins: frozenset[str] = frozenset()
    """Packages whose real provider ran."""
    losses: LossRecorder = field(default_factory=LossRecorder)
    """The data that the change loses, if a change was rehearsed."""

    @property
    def resources(self) -> int:
        """The number of managed resources in all regions."""
        return sum(count.total() for count in self.by_region.values())


def rehearse(stack: ProjectStack, faults: str, on_event: EventSink, against: Path | None = None) -> Rehearsal:
    """Deploy a stack to simulated clouds. Only simulated providers run.

    Args:
        stack: the stack, whose policy packs check every resource.
        faults: a file of faults to inject, or their text; empty for none.
        on_event: receives every event of the run.
        against: a stack file that is deployed first, so that the stack changes it; None: nothing is deployed.

    Raises:
        RehearsalError: if the run cannot start.
        OpsError: if the run was interrupted, or `against` cannot be deployed.
    """
    losses = LossRecorder()
    with TemporaryDirectory() as folder, serve_clouds(faults=faults) as ports:
        workspace = _open_workspace(stack, stack.folder, Path(folder))
        if against is not None:
            _deploy_before(stack, against, Path(folder), Options(attached_providers=ports, simulated_only=True))
            preview = Options(attached_providers=ports, simulated_only=True)
            workspace.preview(preview, lambda event: _record(losses, event))
        options = Options(attached_providers=ports, policy_packs=stack.policy_packs(), simulated_only=True)
        result = workspace.up(options, on_event)
        resources = workspace.snapshot().resources
    if result.cancelled:
        raise OpsError("interrupted; a rehearsal cannot be continued, run it again", Exit.INTERRUPTED)
    return Rehearsal(
        succeeded=result.succeeded,
        errors=result.errors,
        by_region=count_by_region(resources),
        timeouts=find_timeouts(resources),
        policy_packs=result.policy_packs,
        violations=result.policy_violations,
        duration_s=result.duration_s,
        peak_memory=PeakMemory.measure(),
        simulated_dynamic=result.simulated_dynamic,
        started=result.started,
        started_plugins=result.started_plugins,
        losses=losses,
    )


def _open_workspace(stack: ProjectStack, project: Path, state: Path) -> Workspace:
    return Workspace(
        project,
        stack.name,
        backend_dir=state,
        passphrase="rehearsal",  # noqa: S106 - of a state that is thrown away
        config_passphrase=find_passphrase(os.environ, stack.state_dir) or "",
        env=WITHOUT_DIGESTS,
    )


def _deploy_before(stack: ProjectStack, against: Path, state: Path, options: Options) -> None:
    """Deploy the stack with another configuration, in a copy of the project that has links to its files."""
    with TemporaryDirectory() as folder:
        for path in stack.folder.iterdir():
            if path != stack.file:
                Path(folder, path.name).symlink_to(path)
        shutil.copyfile(against, Path(folder, stack.file.name))
        result = _open_workspace(stack, Path(folder), state).up(options)
    if not result.succeeded:
        raise OpsError(f"--against: {against} cannot be deployed: {result.errors}", Exit.BAD_INPUT)


def _record(losses: LossRecorder, event: Event) -> None:
    if isinstance(event, StepEnded):
        losses(event.op, event.urn)
