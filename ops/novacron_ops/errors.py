"""Errors and exit statuses of the `novacron` command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the command's exit status says."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    INTERRUPTED = 130


class OpsError(Exception):
    """Base of all errors here; `exit_status` is what the command ends with."""

    def __init__(self, message: str, exit_status: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_status = exit_status
