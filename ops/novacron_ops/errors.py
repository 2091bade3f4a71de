"""Errors and exit statuses of the `novacron` command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit status of the command."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    INTERRUPTED = 130


class OpsError(Exception):
    """An error that ends the command with a message and `exit_status`."""

    def __init__(self, message: str, exit_status: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_status = exit_status
