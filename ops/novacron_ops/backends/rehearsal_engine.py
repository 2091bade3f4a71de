"""The rehearsal engine of this project as the backend of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from novacron_infra.local.handlers import PROCESS, ProcessHandler
from novacron_rehearsal import Operation, Options, Workspace
from novacron_rehearsal.display import Display, plain
from novacron_rehearsal.events import Event, StepEnded
from novacron_rehearsal.state.lock import StackLockedError
from rich.console import Console

from novacron_ops.backends.backend import NotDeployedError, RunOutcome, StepSink
from novacron_ops.backends.passphrase import read_passphrase
from novacron_ops.backends.provider_plugins import check_plugins
from novacron_ops.errors import Exit, OpsError
from novacron_ops.project import ProjectStack


class RehearsalEngine:
    """Runs a stack in this process, with real provider plugins and the state in the project's folder."""

    description = "rehearsal engine (for local, trial and CI use; production uses the Pulumi CLI)"

    def __init__(
        self, stack: ProjectStack, console: Console, provider_env: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._console = console
        self._stack = stack
        self._workspace = Workspace(
            stack.folder,
            stack.name,
            backend_dir=stack.state_dir,
            passphrase=read_passphrase(stack),
            env=provider_env,
        )

    def run(
        self,
        operation: Operation,
        *,
        refresh: bool = False,
        continue_on_error: bool = False,
        exclude: tuple[str, ...] = (),
        on_step: StepSink | None = None,
        previewed: bool = False,
    ) -> RunOutcome:
        """Run an operation as `Backend.run` describes.

        Raises:
            OpsError: if a provider plugin is missing, or the run was interrupted.
        """
        del previewed  # the engine previews for policy packs only, without showing it
        if operation.runs_program:
            check_plugins(self._stack)
        options = Options(
            refresh=refresh,
            policy_packs=self._stack.policy_packs(),
            continue_on_error=continue_on_error,
            exclude=exclude,
        )
        run = {
            Operation.PREVIEW: self._workspace.preview,
            Operation.UP: self._workspace.up,
            Operation.REFRESH: self._workspace.refresh,
            Operation.DESTROY: self._workspace.destroy,
        }[operation]
        with Display(self._console, {PROCESS: ProcessHandler.RESTARTED_BY}) as display:

            def pass_on(event: Event) -> None:
                display(event)
                if on_step is not None and isinstance(event, StepEnded):
                    on_step(event.op, event.urn)

            result = run(options, pass_on)
        if result.cancelled:
            raise OpsError(self._describe_interruption(operation), Exit.INTERRUPTED)
        if result.succeeded:
            return RunOutcome.SUCCEEDED
        return RunOutcome.FAILED if result.started else RunOutcome.NOT_STARTED

    def _describe_interruption(self, operation: Operation) -> str:
        if operation is Operation.PREVIEW:
            return "the preview was interrupted; nothing was changed"
        again = "run the same command again to continue"
        if operation is not Operation.UP:
            return f"interrupted; {again}"
        running = ", and local processes that were started keep running" if self._stack.is_local() else ""
        return (
            f"interrupted; resources that were created are kept{running}. To continue, run the same command again; "
            f"to remove them, run `novacron down -s {self._stack.name}`"
        )

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs with secrets redacted; empty if the stack was never deployed."""
        return {key: plain(value) for key, value in self._workspace.outputs().items()}

    def urns(self) -> list[str]:
        """Return the URNs of all resources in the state; empty if the stack was never deployed."""
        return [state.urn for state in self._workspace.snapshot().resources]

    def export_state(self, *, show_secrets: bool) -> dict[str, Any]:
        """Return the state in the format of `pulumi stack export`.

        Raises:
            NotDeployedError: if the stack has no state.
        """
        if not self._stack.state_file.exists():
            raise NotDeployedError(self._stack)
        return self._workspace.export(show_secrets=show_secrets)

    def import_state(self, exported: dict[str, Any]) -> None:
        """Replace the state with an exported one."""
        self._workspace.import_(exported)

    def forget(self) -> None:
        """Remove the state of a stack that has no resources left, unless another run has started since."""
        with suppress(StackLockedError), self._stack.lock():
            if not self._workspace.snapshot().resources:
                self._workspace.forget()
