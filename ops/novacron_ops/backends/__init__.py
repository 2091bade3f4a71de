"""The backends that run a stack: the Pulumi CLI and the rehearsal engine. Both use the same state files."""

from novacron_ops.backends.backend import Backend, NotDeployedError, RunOutcome, read_secret_output
from novacron_ops.backends.choice import open_backend
from novacron_ops.backends.pulumi_cli import PulumiCli
from novacron_ops.backends.rehearsal_engine import RehearsalEngine

__all__ = [
    "Backend",
    "NotDeployedError",
    "PulumiCli",
    "RehearsalEngine",
    "RunOutcome",
    "open_backend",
    "read_secret_output",
]
