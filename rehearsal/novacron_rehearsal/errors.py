"""Errors of the rehearsal engine. Every message names the thing, its value, the rule and a fix."""

from __future__ import annotations


class RehearsalError(Exception):
    """Base of all errors that a user of the engine can meet."""


class NotSupportedError(RehearsalError):
    """The program asks for something that only the Pulumi CLI does."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: the rehearsal engine does not support this; run the stack with the Pulumi CLI")


class ProviderError(RehearsalError):
    """A provider refused or failed. `details` of gRPC are already folded into the message."""


class ProviderGoneError(ProviderError):
    """A provider went away in the middle of a call: nobody knows whether it did what it was asked."""


class ProgramError(RehearsalError):
    """The Pulumi program could not be run or ended with an error."""


class CancelledError(RehearsalError):
    """The run was cancelled by the user."""
