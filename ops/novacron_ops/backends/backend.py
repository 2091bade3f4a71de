"""The interface that the commands use to run a stack and to read its state."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol, TypeAlias

from novacron_rehearsal import Operation, StepOp

from novacron_ops.errors import OpsError
from novacron_ops.project import ProjectStack

StepSink: TypeAlias = Callable[[StepOp, str], None]
"""Receives the operation and the URN of each step of a run."""


class RunOutcome(Enum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NOT_STARTED = "not started"
    """The stack is locked or its state cannot be used: the run changed nothing."""


class Backend(Protocol):
    """Runs one stack. Outputs, exports and imports are JSON values."""

    @property
    def description(self) -> str:
        """The backend's name, for people."""
        ...

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
        """Preview, deploy, refresh or destroy the stack, and show the progress.

        Args:
            operation: what to do.
            refresh: read the real state of every resource first.
            continue_on_error: after an error, do everything that does not depend on the failed resource.
            exclude: URN patterns of resources to leave as they are.
            on_step: receives the steps.
            previewed: a preview of the same run was just shown; another one is not needed.
        """
        ...

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs with secrets redacted; empty if the stack was never deployed."""
        ...

    def urns(self) -> list[str]:
        """Return the URNs of all resources in the state; empty if the stack was never deployed."""
        ...

    def export_state(self, *, show_secrets: bool) -> dict[str, Any]:
        """Return the state in the format of `pulumi stack export`.

        Raises:
            NotDeployedError: if the stack has no state.
        """
        ...

    def import_state(self, exported: dict[str, Any]) -> None:
        """Replace the state with an exported one."""
        ...

    def forget(self) -> None:
        """Remove the state of a stack that has no resources left."""
        ...


class NotDeployedError(OpsError):
    """The stack has no state."""

    def __init__(self, stack: ProjectStack) -> None:
        super().__init__(
            f"stack {stack.name} has no state to export: it is not deployed; `novacron up -s {stack.name}` deploys it"
        )


def read_secret_output(backend: Backend, name: str) -> str | None:
    """Return a secret output of the stack in plain text; None if the stack has no such secret."""
    deployment = backend.export_state(show_secrets=True).get("deployment") or {}
    for resource in deployment.get("resources") or ():
        if resource["type"] == "pulumi:pulumi:Stack":
            value = (resource.get("outputs") or {}).get(name) or {}
            return json.loads(value["plaintext"]) if "plaintext" in value else None
    return None
