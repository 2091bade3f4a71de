"""The base of all errors of this distribution."""

from __future__ import annotations


class NovaCronError(Exception):
    """Something that a user can put right; the message names the thing, its value, the rule and a fix."""


# The local platform was written against this name.
InfraError = NovaCronError
