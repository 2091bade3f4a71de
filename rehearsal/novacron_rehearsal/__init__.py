"""NovaCron rehearsal: runs any Pulumi stack without the Pulumi CLI and without a cloud account."""

import os

# The engine starts processes beside its gRPC server; gRPC's own fork handlers abort the child now and then.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

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
