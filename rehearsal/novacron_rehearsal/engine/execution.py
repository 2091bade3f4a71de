"""One run: starts its providers, policies, servers and program, and stops them at the end.

`workspace.py` reads the stack's state before a run and writes it afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, TypeAlias

from novacron_rehearsal import urn
from novacron_rehearsal.engine.default_providers import DefaultProviders
from novacron_rehearsal.engine.deletion import delete_unwanted, warn_pending
from novacron_rehearsal.engine.deployment import Deployment
from novacron_rehearsal.engine.monitor import EngineService, Monitor, serve
from novacron_rehearsal.engine.refresh import refresh
from novacron_rehearsal.engine.registration import finish_stack_outputs, register
from novacron_rehearsal.engine.run import Run, StateSink
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import Diagnostic, EventSink, Operation, Severity, StepOp
from novacron_rehearsal.policies.analyzer import PolicyPacks
from novacron_rehearsal.policies.hooks import NoPolicies, PolicyHooks, describe
from novacron_rehearsal.policies.reports import PolicyPackSpec, PolicyReports
from novacron_rehearsal.project import Project, StackConfig
from novacron_rehearsal.protocol import program
from novacron_rehearsal.protocol.children import Child
from novacron_rehearsal.protocol.goal import Goal
from novacron_rehearsal.protocol.program import ProgramCall
from novacron_rehearsal.providers.builtin import BuiltinProvider, OutputsOf
from novacron_rehearsal.providers.launch import Plugins
from novacron_rehearsal.providers.registry import ProviderRegistry
from novacron_rehearsal.state.ordering import sort_by_dependencies
from novacron_rehearsal.state.resource import OperationKind, ResourceState, Snapshot
from novacron_rehearsal.values import PropertyMap, without_outputs


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a run."""

    parallel: int = 16
    targets: Sequence[str] = ()
    target_dependents: bool = False
    replace: Sequence[str] = ()
    exclude: tuple[str, ...] = ()
    """Patterns of URNs that the run leaves as they are. `*` matches within one part of a URN, `**` across parts."""
    continue_on_error: bool = False
    """After a failed step, skip only what depends on it. The run fails nevertheless."""
    refresh: bool = False
    policy_packs: Sequence[PolicyPackSpec] = ()
    expect_no_changes: bool = False
    in_process: bool = False
    """Run the program in this process, one program at a time: faster, for tests."""
    attached_providers: Mapping[str, int] = field(default_factory=dict[str, int])
    plugin_paths: Mapping[str, Path] = field(default_factory=dict[str, Path])
    simulated_only: bool = False
    """Make the run a rehearsal: start no provider plug-in, wherever one is found, and simulate dynamic resources.

    Only `attached_providers` serve resources.
    """
    recorded: bool = False
    """Make a preview that contacts nothing: the state serves every resource (`providers/recorded.py`)."""
    real_packages: frozenset[str] = frozenset()
    """Packages whose real provider may start in spite of `simulated_only`; `pulumi-python` for dynamic providers."""


Cancel: TypeAlias = Callable[[], None]


@dataclass(frozen=True, slots=True)
class RunContext:
    """The context of a run: the same for all runs of a stack."""

    project: Project
    stack: str
    config: StackConfig
    env: Mapping[str, str]
    """Additional environment of the program, the providers and the policy packs."""
    outputs_of: OutputsOf
    policy_reports: PolicyReports
    listen_for_cancel: Callable[[Cancel], Callable[[], None]]
    """Called with a function that cancels the run. Returns a function that ends the listening."""


@dataclass(slots=True)
class Execution:
    """The end of a run: its deployment, and the resources as they are now."""

    deployment: Deployment
    resources: list[ResourceState]


async def execute(
    context: RunContext, operation: Operation, options: Options, snapshot: Snapshot, sink: StateSink, emit: EventSink
) -> Execution:
    """Run an operation on a stack, and record every step in `sink`.

    Raises:
        RehearsalError: when the run cannot begin. A failure during the run is in the result instead.
    """
    # The path of a socket must not be longer than 107 bytes.
    root = None if len(gettempdir()) <= 60 else "/tmp"  # noqa: S108 - a folder of mode 0700 is created in it
    with TemporaryDirectory(prefix="novacron-", dir=root) as socket_dir:
        return await _execute(context, operation, options, snapshot, sink, emit, Path(socket_dir))


async def _execute(
    context: RunContext,
    operation: Operation,
    options: Options,
    snapshot: Snapshot,
    sink: StateSink,
    emit: EventSink,
    socket_dir: Path,
) -> Execution:
    project, config = context.project, context.config
    run = Run(
        operation=operation,
        project=project.name,
        stack=context.stack,
        dry_run=operation is Operation.PREVIEW,
        parallel=options.parallel,
        targets=frozenset(options.targets),
        target_dependents=options.target_dependents,
        replace=frozenset(options.replace),
        exclude=options.exclude,
        continue_on_error=options.continue_on_error,
    )
    registry = ProviderRegistry(_find_plugins(context, options, socket_dir), BuiltinProvider(context.outputs_of), emit)
    policies: PolicyHooks = NoPolicies()
    if operation.runs_program and options.policy_packs:
        policies = PolicyPacks(
            options.policy_packs,
            context.policy_reports,
            project.python,
            context.env,
            run.project,
            run.stack,
            run.dry_run,
        )

    def deploy(resources: Sequence[ResourceState]) -> Deployment:
        async def register_default(goal: Goal) -> ResourceState:
            return await register(deployment, goal)

        defaults = DefaultProviders(register_default, config, resources)
        deployment = Deployment(run, resources, sink, registry, policies, defaults, emit)
        return deployment

    deployment = deploy(snapshot.resources)
    warn_pending(deployment, snapshot.pending_operations)
    deployment.interrupted = frozenset(
        item.resource.urn for item in snapshot.pending_operations if item.kind is OperationKind.UPDATING
    )
    monitor = Monitor(deployment, config)
    serving = await serve(monitor, EngineService(monitor), socket_dir)
    registry.engine_address = serving.engine_address
    child: list[Child] = []
    stop_listening = context.listen_for_cancel(_make_canceller(monitor, registry, child))
    try:
        if isinstance(policies, PolicyPacks):
            await policies.start(serving.engine_address)
        if operation is Operation.REFRESH or options.refresh:
            fresh = await refresh(deployment)
            if operation is Operation.REFRESH or deployment.failed or deployment.cancelled:
                deployment.outputs = read_stack_outputs(Snapshot(fresh))
                return Execution(deployment, sort_by_dependencies(fresh))
            steps = [step for step in deployment.steps if step.op is not StepOp.SAME]
            deployment = deploy(fresh)
            deployment.steps = steps
            monitor.deployment = deployment
        if operation is Operation.DESTROY:
            await delete_unwanted(deployment)
        else:
            await _run_program(context, options, monitor, serving.program_address, child)
        return Execution(deployment, deployment.list_resources())
    finally:
        stop_listening()
        await monitor.close()
        for process in child:
            await process.stop(grace_s=1.0)
        await registry.close()
        if isinstance(policies, PolicyPacks):
            await policies.close()
        await serving.stop()


def _make_canceller(monitor: Monitor, registry: ProviderRegistry, child: list[Child]) -> Cancel:
    """Return a function that ends the run in order when it is called once, and at once when it is called again.

    The journal keeps the state in both cases.
    """
    tasks: list[asyncio.Task[Any]] = []

    def cancel() -> None:
        deployment = monitor.deployment
        if deployment.cancelled:
            monitor.stop_registrations()
            tasks.extend(asyncio.create_task(process.stop(grace_s=0)) for process in child)
            return
        deployment.cancel()
        deployment.emit(
            Diagnostic(Severity.WARNING, "cancelling: waiting for steps in progress; interrupt again to stop at once")
        )
        tasks.append(asyncio.create_task(registry.cancel()))
        monitor.program_done.set()
        monitor.deletes_done.set()
        tasks.extend(asyncio.create_task(process.stop(grace_s=3)) for process in child)

    return cancel


async def _run_program(
    context: RunContext, options: Options, monitor: Monitor, address: str, child: list[Child]
) -> None:
    deployment, project = monitor.deployment, context.project
    program.check_program(project.folder)
    call = ProgramCall(
        folder=project.folder,
        python=project.python,
        project=project.name,
        stack=context.stack,
        monitor=address,
        dry_run=deployment.run.dry_run,
        parallel=options.parallel,
        config=context.config.values,
        config_secret_keys=context.config.secret_keys,
        env=context.env,
    )

    def on_line(line: str, is_stderr: bool) -> None:
        deployment.emit(Diagnostic(Severity.WARNING if is_stderr else Severity.INFO, line))

    if options.in_process:
        ending: asyncio.Task[int] = asyncio.create_task(program.run_in_process(call))
    else:
        process = await program.start(call, on_line)
        child.append(process)
        ending = asyncio.create_task(process.wait())
    through = asyncio.create_task(monitor.program_done.wait())
    await asyncio.wait({ending, through}, return_when=asyncio.FIRST_COMPLETED)
    await deployment.wait_until_idle()
    if not ending.done() and not deployment.ending:
        await _finish(deployment)
    monitor.deletes_done.set()
    try:
        code = await asyncio.wait_for(asyncio.shield(ending), 30 if deployment.cancelled else None)
    except asyncio.TimeoutError:
        code = 1
    through.cancel()
    with suppress(asyncio.CancelledError):
        await through
    if code and not deployment.failed and not deployment.cancelled:
        deployment.fail("", f"the program ended with exit status {code}")
    finish_stack_outputs(deployment)


async def _finish(deployment: Deployment) -> None:
    described = [
        describe(state, deployment.news.get(state.provider.rpartition("::")[0]), {**state.inputs, **state.outputs})
        for state in deployment.news.values()
    ]
    violations = [] if deployment.failed else await deployment.policies.analyze_stack(described)
    for violation in violations:
        deployment.emit(violation)
        deployment.blocked |= violation.mandatory
    if deployment.blocked and not deployment.run.dry_run:
        deployment.failed = deployment.stopped = True
        return
    try:
        await delete_unwanted(deployment)
    except RehearsalError as error:
        deployment.fail("", str(error))


def _find_plugins(context: RunContext, options: Options, socket_dir: Path) -> Plugins:
    attached = dict(options.attached_providers)
    debugged = "" if options.simulated_only else context.env.get("PULUMI_DEBUG_PROVIDERS", "")
    for entry in filter(None, debugged.split(",")):
        name, _, port = entry.partition(":")
        attached.setdefault(name, int(port))
    return Plugins(
        python=context.project.python,
        project_dir=context.project.folder,
        socket_dir=socket_dir,
        attached=attached,
        paths={**context.project.plugin_paths, **options.plugin_paths},
        env={
            **context.env,
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_PROJECT": context.project.name,
            "PULUMI_STACK": context.stack,
        },
        simulated_only=options.simulated_only,
        real=options.real_packages,
        recorded=options.recorded,
    )


def read_stack_outputs(snapshot: Snapshot) -> PropertyMap:
    """Return the outputs in a stack's state."""
    for state in snapshot.resources:
        if state.type == urn.STACK_TYPE:
            return {key: without_outputs(value) for key, value in state.outputs.items()}
    return {}
