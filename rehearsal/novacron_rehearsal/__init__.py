"""NovaCron rehearsal: runs any Pulumi stack without the Pulumi CLI and without a cloud account.

A name is imported when it is first used: reading a stack's configuration does not load gRPC and the Pulumi SDK.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

# The engine starts processes while its gRPC server runs, and gRPC's own fork handlers sometimes abort the child.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

if TYPE_CHECKING:
    from novacron_rehearsal.engine.execution import Options
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
        StackOutputs,
        StepEnded,
        StepOp,
        StepStarted,
    )
    from novacron_rehearsal.policies.reports import PolicyPackReport, PolicyPackSpec, PolicyPackState
    from novacron_rehearsal.state.secrets import find_passphrase, resolve_passphrase
    from novacron_rehearsal.workspace import Result, Workspace

__all__ = [
    "Diagnostic",
    "Event",
    "EventSink",
    "Operation",
    "OperationEnded",
    "OperationStarted",
    "Options",
    "PolicyPackReport",
    "PolicyPackSpec",
    "PolicyPackState",
    "PolicyViolated",
    "RehearsalError",
    "Result",
    "Severity",
    "StackOutputs",
    "StepEnded",
    "StepOp",
    "StepStarted",
    "Workspace",
    "find_passphrase",
    "resolve_passphrase",
]

_MODULES = {
    "Options": "engine.execution",
    "PolicyPackReport": "policies.reports",
    "PolicyPackSpec": "policies.reports",
    "PolicyPackState": "policies.reports",
    "RehearsalError": "errors",
    "Result": "workspace",
    "Workspace": "workspace",
    "find_passphrase": "state.secrets",
    "resolve_passphrase": "state.secrets",
}
"""The module of each name; the others are in `events`."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'events')}"), name)
