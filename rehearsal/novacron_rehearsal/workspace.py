"""A stack's operations: preview, up, refresh and destroy, and reading its state."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from novacron_rehearsal import urn
from novacron_rehearsal.engine.deployment import Deployment
from novacron_rehearsal.engine.execution import (
    Cancel,
    Options,
    RunContext,
    execute,
    read_stack_outputs,
)
from novacron_rehearsal.engine.run import StepRecord, Unrecorded
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import (
    Diagnostic,
    Event,
    EventSink,
    Operation,
    OperationEnded,
    OperationStarted,
    PolicyViolated,
    Severity,
    StepOp,
)
from novacron_rehearsal.policies.reports import PolicyPackReport, PolicyPackState, PolicyReports
from novacron_rehearsal.project import Project, StackConfig, load_project, load_stack_config
from novacron_rehearsal.protocol.assets import base_folder
from novacron_rehearsal.state.checkpoint import snapshot_from_deployment, snapshot_to_deployment
from novacron_rehearsal.state.resource import PendingOperation, ResourceState, Snapshot
from novacron_rehearsal.state.stack_secrets import StackSecrets
from novacron_rehearsal.state.store import StackFiles, StackSession, read_salt
from novacron_rehearsal.values import PropertyMap

_QUIET_OPS = {StepOp.SAME, StepOp.READ, StepOp.REFRESH}
_EXPORT_AGAIN = "Export the state again with `novacron export` or `pulumi stack export`"
_UNCOUNTED_OPS = {StepOp.CREATE_REPLACEMENT, StepOp.DELETE_REPLACED}


@dataclass(slots=True)
class Result:
    """The result of a run."""

    operation: Operation
    succeeded: bool
    changes: dict[StepOp, int]
    steps: list[StepRecord]
    outputs: PropertyMap
    diagnostics: list[Diagnostic]
    policy_violations: list[PolicyViolated]
    duration_s: float
    cancelled: bool = False
    started_plugins: frozenset[str] = frozenset()
    """Packages whose provider ran as a process of this run: unlike attached ones, those are not simulated."""
    simulated_dynamic: tuple[str, ...] = ()
    """URNs of the dynamic resources whose provider did not run."""
    policy_packs: tuple[PolicyPackReport, ...] = ()
    """Every pack of `Options.policy_packs`, for operations that run the program.

    A run with a pack that has not checked everything did not succeed.
    """
    declared: tuple[ResourceState, ...] = ()
    """The resources that the program declared, as they are after the run; of a preview, as they would be after it."""
    outdated: tuple[str, ...] = ()
    """With `Options.recorded`: URNs of resources in the state whose inputs have changed."""
    started: bool = True
    """False if the stack was locked or its state or configuration could not be read: the run changed nothing."""

    @property
    def errors(self) -> str:
        """Return the error messages, for tests and logs."""
        return "\n".join(item.message for item in self.diagnostics if item.severity is Severity.ERROR)


class Workspace:
    """A stack of a project, and the folder of its state.

    Args:
        project_dir: folder of Pulumi.yaml.
        stack: name of the stack.
        backend_dir: folder of the state, in the layout of Pulumi's file backend; `<project_dir>/.novacron` by default.
        passphrase: encrypts the secrets in the state.
        config_passphrase: decrypts the `secure` values of Pulumi.<stack>.yaml; `passphrase` when left out.
        env: additional environment of the program and the providers.
    """

    def __init__(
        self,
        project_dir: Path,
        stack: str,
        *,
        passphrase: str,
        config_passphrase: str | None = None,
        backend_dir: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.project_dir = project_dir.resolve()
        self.stack = stack
        self.backend_dir = (backend_dir or self.project_dir / ".novacron").resolve()
        self.project: Project = load_project(self.project_dir)
        self._passphrase = passphrase
        self._config_passphrase = config_passphrase
        self._env = {"PULUMI_CONFIG_PASSPHRASE": passphrase, **(env or {})}
        self._files = StackFiles(self.backend_dir, self.project.name, stack)
        self._running: tuple[asyncio.AbstractEventLoop, Callable[[], None]] | None = None

    def preview(self, options: Options | None = None, on_event: EventSink | None = None) -> Result:
        """Show what `up` would do. Changes nothing and locks nothing."""
        return self._operate(Operation.PREVIEW, options or Options(), on_event)

    def up(self, options: Options | None = None, on_event: EventSink | None = None) -> Result:
        """Create, update and delete resources as the program declares them.

        With policy packs, a preview runs first: a mandatory violation prevents every change.
        """
        return self._operate(Operation.UP, options or Options(), on_event)

    def refresh(self, options: Options | None = None, on_event: EventSink | None = None) -> Result:
        """Update the state to what exists."""
        return self._operate(Operation.REFRESH, options or Options(), on_event)

    def destroy(self, options: Options | None = None, on_event: EventSink | None = None) -> Result:
        """Delete every resource of the stack."""
        return self._operate(Operation.DESTROY, options or Options(), on_event)

    def cancel(self) -> None:
        """Start no further steps, ask providers to cancel, and end when the operations in progress have ended.

        Any thread may call this.
        """
        if self._running is not None:
            loop, cancel = self._running
            loop.call_soon_threadsafe(cancel)

    def snapshot(self) -> Snapshot:
        """Return the state after the last run, with decrypted secrets and without the journal of an interrupted run."""
        return self._files.read(self._secrets())[0]

    def outputs(self) -> PropertyMap:
        """Return the stack's outputs, with secrets still marked."""
        return read_stack_outputs(self.snapshot())

    def export(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """Return the deployment as `pulumi stack export` writes it."""
        secrets = self._secrets()
        snapshot, _ = self._files.read(secrets)
        deployment = snapshot_to_deployment(snapshot, None if show_secrets else secrets.cache.encrypt)
        if provider := secrets.provider():
            deployment["secrets_providers"] = provider
        return {"version": 3, "deployment": deployment}

    def import_(self, exported: Mapping[str, Any]) -> None:
        """Replace the state by a deployment that `pulumi stack export` wrote.

        Raises:
            RehearsalError: when it is not a deployment, or has another version, project or stack.
        """
        deployment = exported.get("deployment")
        if not isinstance(deployment, dict):
            raise RehearsalError("the import has no `deployment`; it must be a file that `pulumi stack export` wrote")
        theirs = StackSecrets(self._passphrase, self.stack)
        decrypt = theirs.written_with(read_salt(deployment, "the import", _EXPORT_AGAIN))
        version = exported.get("version", 0)
        snapshot = snapshot_from_deployment(deployment, version, decrypt, "the import", _EXPORT_AGAIN)
        for state in snapshot.resources:
            name = urn.parse(state.urn)
            if (name.stack, name.project) != (self.stack, self.project.name):
                raise RehearsalError(
                    f"the import is of stack {name.stack!r} of project {name.project!r}; it must be of stack "
                    f"{self.stack!r} of project {self.project.name!r}"
                )
        session = StackSession(self._files, self._secrets())
        try:
            session.finish(snapshot)
        finally:
            session.close()

    def forget(self) -> None:
        """Delete the stack's state files."""
        self._files.remove()

    # -- running --------------------------------------------------------------------------------------------------

    def _secrets(self) -> StackSecrets:
        return StackSecrets(self._passphrase, self.stack)

    def _operate(self, operation: Operation, options: Options, on_event: EventSink | None) -> Result:
        began = time.monotonic()
        diagnostics: list[Diagnostic] = []
        violations: list[PolicyViolated] = []

        def emit(event: Event) -> None:
            if isinstance(event, Diagnostic) and not event.ephemeral:
                diagnostics.append(event)
            elif isinstance(event, PolicyViolated):
                violations.append(event)
            if on_event is not None:
                on_event(event)

        emit(OperationStarted(operation, self.project.name, self.stack, options.parallel))
        policy_reports = PolicyReports(options.policy_packs if operation.runs_program else ())
        deployment: Deployment | None = None
        succeeded = False
        started = threading.Event()
        try:
            deployment = asyncio.run(self._run_locked(operation, options, policy_reports, emit, started))
            succeeded = deployment.succeeded
        except RehearsalError as error:
            emit(Diagnostic(Severity.ERROR, str(error)))
        steps = deployment.steps if deployment else []
        changes = dict(Counter(step.op for step in steps if step.op not in _UNCOUNTED_OPS))
        if succeeded and options.expect_no_changes and set(changes) - _QUIET_OPS:
            emit(Diagnostic(Severity.ERROR, "no changes were expected, but there are changes"))
            succeeded = False
        for report in policy_reports.all():
            if succeeded and report.state is not PolicyPackState.CHECKED:
                emit(Diagnostic(Severity.ERROR, f"policy pack {report.path}: {report.reason}"))
                succeeded = False
        duration = time.monotonic() - began
        cancelled = deployment is not None and deployment.cancelled
        emit(OperationEnded(operation, changes, duration, succeeded, cancelled))
        outputs = deployment.outputs if deployment else {}
        return Result(
            operation,
            succeeded,
            changes,
            steps,
            outputs,
            diagnostics,
            violations,
            duration,
            cancelled=cancelled,
            declared=tuple(deployment.news.values()) if deployment else (),
            outdated=tuple(deployment.registry.outdated) if deployment else (),
            started=started.is_set(),
            started_plugins=frozenset(deployment.registry.started_plugins) if deployment else frozenset(),
            simulated_dynamic=tuple(deployment.registry.simulated_dynamic) if deployment else (),
            policy_packs=policy_reports.all(),
        )

    async def _run_locked(
        self,
        operation: Operation,
        options: Options,
        policy_reports: PolicyReports,
        emit: EventSink,
        started: threading.Event,
    ) -> Deployment:
        base_folder.set(self.project.folder)
        secrets = self._secrets()
        config = self._config(secrets, options, emit)
        if config.made_up:
            emit = _explain_made_up_values(config, emit)
        context = RunContext(
            project=self.project,
            stack=self.stack,
            config=config,
            env=self._env,
            outputs_of=self._outputs_of,
            policy_reports=policy_reports,
            listen_for_cancel=self._listen_for_cancel,
        )
        if operation is Operation.PREVIEW:
            snapshot, _ = self._files.read(secrets)
            started.set()
            return (await execute(context, operation, options, snapshot, Unrecorded(), emit)).deployment
        session = StackSession(self._files, secrets)
        try:
            snapshot = session.snapshot
            started.set()
            if operation is Operation.UP and options.policy_packs:
                rehearsal = replace(options, refresh=False)
                violations: list[PolicyViolated] = []
                quietly = _only_problems(emit, violations)
                ended = await execute(context, Operation.PREVIEW, rehearsal, snapshot, Unrecorded(), quietly)
                rehearsed = ended.deployment
                if not rehearsed.succeeded:
                    for violation in violations:
                        emit(violation)
                    session.finish(snapshot)
                    rehearsed.steps = []
                    return rehearsed
            execution = await execute(context, operation, options, snapshot, session, emit)
            session.finish(
                Snapshot(
                    resources=execution.resources,
                    pending_operations=[
                        *_unresolved(snapshot.pending_operations, execution.deployment),
                        *execution.deployment.unfinished,
                    ],
                    metadata=snapshot.metadata,
                )
            )
            return execution.deployment
        finally:
            session.close()

    def _config(self, secrets: StackSecrets, options: Options, emit: EventSink) -> StackConfig:
        """Read the stack's configuration; a rehearsal does without the secrets that it cannot decrypt."""
        if self._config_passphrase is not None:
            secrets = StackSecrets(self._config_passphrase, self.stack)
        config = load_stack_config(
            self.project_dir, self.project, self.stack, secrets, make_up_secrets=options.simulated_only
        )
        for keys, reason in _group_by_reason(config, list(config.made_up)):
            what = "made-up values" if len(keys) > 1 else "a made-up value"
            text = f"configuration {', '.join(keys)} cannot be decrypted: the rehearsal uses {what}. Reason: {reason}"
            emit(Diagnostic(Severity.WARNING, text))
        return config

    def _outputs_of(self, name: str) -> PropertyMap:
        parts = name.split("/")
        stack, project = parts[-1], parts[-2] if len(parts) > 1 else self.project.name
        files = StackFiles(self.backend_dir, project, stack)
        if not files.checkpoint.exists():
            raise RehearsalError(f"stack reference {name!r}: {self.backend_dir} has no such stack")
        return read_stack_outputs(files.read(StackSecrets(self._passphrase, stack))[0])

    def _listen_for_cancel(self, cancel: Cancel) -> Callable[[], None]:
        """Let Ctrl-C and `cancel` end the run. Returns a function that ends the listening."""
        loop = asyncio.get_running_loop()
        self._running = (loop, cancel)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, cancel)

        def stop_listening() -> None:
            self._running = None
            if in_main_thread:
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.remove_signal_handler(number)

        return stop_listening


def _group_by_reason(config: StackConfig, keys: Sequence[str]) -> list[tuple[list[str], str]]:
    """Return the keys of made-up values, those with the same reason together."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(config.made_up[key], []).append(key)
    return [(group, reason) for reason, group in groups.items()]


def _explain_made_up_values(config: StackConfig, emit: EventSink) -> EventSink:
    """Return an event sink that adds to an error which made-up values it mentions, and how to set the real ones."""

    def pass_on(event: Event) -> None:
        if isinstance(event, Diagnostic) and event.severity is Severity.ERROR:
            keys = config.find_made_up_keys(event.message)
            advice = [
                f"The rehearsal made up the value of {', '.join(group)}. Reason: {reason}"
                for group, reason in _group_by_reason(config, keys)
            ]
            event = replace(event, message="\n".join([event.message, *advice]))
        emit(event)

    return pass_on


def _only_problems(emit: EventSink, violations: list[PolicyViolated]) -> EventSink:
    """Return the event sink of the preview before an `up`: it shows errors only.

    Policy violations are collected: when the preview lets the `up` begin, that reports them itself.
    """

    def pass_on(event: Event) -> None:
        if isinstance(event, PolicyViolated):
            violations.append(event)
        elif isinstance(event, Diagnostic) and event.severity is Severity.ERROR:
            emit(event)

    return pass_on


def _unresolved(operations: Sequence[PendingOperation], deployment: Deployment) -> list[PendingOperation]:
    """Return the pending operations of an earlier run that this run did not resolve."""
    settled = {step.urn for step in deployment.steps}
    partial = deployment.failed or deployment.cancelled or bool(deployment.run.targets or deployment.run.exclude)
    return [item for item in operations if partial and item.resource.urn not in settled]
