"""Errors of the rehearsal engine. Every message says what is wrong, where, the rule and a fix."""

from __future__ import annotations

_MAX_QUOTED = 200
"""Characters of a value that a message quotes."""


def quote(value: object) -> str:
    """Return a value as an error quotes it; a long one is cut."""
    text = repr(value)
    return text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…"


class RehearsalError(Exception):
    """Base of all errors that the engine reports to its user."""


class InputError(RehearsalError):
    """A file or variable that the user provides cannot be used."""


class NotSupportedError(RehearsalError):
    """The program uses a feature that only the Pulumi CLI supports."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: the rehearsal engine does not support this; run the stack with the Pulumi CLI")


class ProviderError(RehearsalError):
    """A provider rejected an operation, or failed. The message includes the details of the gRPC error."""


class ProviderGoneError(ProviderError):
    """A provider stopped during a call: whether it completed the operation is unknown."""


class ProgramError(RehearsalError):
    """The Pulumi program could not be run, or ended with an error."""


class CancelledError(RehearsalError):
    """The run was cancelled by the user."""
