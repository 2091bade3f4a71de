"""What can go wrong on the local platform, each with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from novacron_infra.errors import InfraError


class LocalPlatformError(InfraError):
    """Base of the local platform's errors."""


class PortInUseError(LocalPlatformError):
    """A port is taken."""

    def __init__(self, port: int, field: str, holder: str, reason: str) -> None:
        super().__init__(
            f"{field}: port {port} on this machine is in use by {holder} [{reason}]. "
            f"Stop it, or set another port at {field} of novacron:environment in the stack's Pulumi.<stack>.yaml"
        )


class ProcessFailedError(LocalPlatformError):
    """A process died at start or did not become ready in time."""

    def __init__(self, service: str, reason: str, log: Path, last_lines: Sequence[str]) -> None:
        shown = "\n".join(f"  | {line}" for line in last_lines) or "  | (the log is empty)"
        super().__init__(f"{service}: {reason}. It was stopped. Last lines of {log}:\n{shown}")


class RunFolderError(LocalPlatformError):
    """The folder of the running processes cannot be used."""

    def __init__(self, run_dir: Path, reason: str) -> None:
        super().__init__(f"run folder {run_dir}: {reason}")
