"""Running a stack's program to learn which objects it declares. Nothing is contacted, and the state is only read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from novacron_rehearsal import EventSink, Options, Result, Workspace, find_passphrase

from novacron_ops.errors import Exit, OpsError
from novacron_ops.project import ProjectStack


def declare_objects(stack: ProjectStack, state: dict[str, Any] | None, on_event: EventSink) -> Result:
    """Preview the stack on a copy of its state. Values that the state does not have are unknown.

    Args:
        stack: the stack. Its policy packs check every resource.
        state: the exported state with secrets in plain text; None for a stack that was never deployed.
        on_event: receives every event of the run.

    Raises:
        RehearsalError: if the run cannot start.
        OpsError: if the run failed or was interrupted.
    """
    with TemporaryDirectory() as folder:
        workspace = Workspace(
            stack.folder,
            stack.name,
            backend_dir=Path(folder),
            passphrase=secrets.token_hex(),  # of a copy that is thrown away
            config_passphrase=find_passphrase(os.environ, stack.state_dir) or "",
        )
        if state is not None:
            workspace.import_(state)
        result = workspace.preview(Options(recorded=True, policy_packs=stack.policy_packs()), on_event)
    if result.cancelled:
        raise OpsError("interrupted; nothing was written", Exit.INTERRUPTED)
    if not result.succeeded:
        raise OpsError(
            f"stack {stack.name} cannot be rendered; nothing was written. Fix the problem above",
            Exit.FAILED if result.started else Exit.BAD_INPUT,
        )
    return result
