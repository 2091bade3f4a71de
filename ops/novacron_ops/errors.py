"""Errors and exit statuses of the `novacron` command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit status of the command."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """The meaning of the status, for the documentation."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "success; for `status`, everything is well",
    Exit.FAILED: "the command failed: a deployment or rehearsal with errors, a stack that is not well, a low score",
    Exit.BAD_INPUT: "wrong input, and nothing was done: an unknown option, an invalid configuration, a missing file",
    Exit.INTERRUPTED: "interrupted with Ctrl-C, or a question that was left unanswered",
}


class OpsError(Exception):
    """An error that ends the command with a message and `exit_status`."""

    def __init__(self, message: str, exit_status: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_status = exit_status
