"""A provider's failure as a user sees it: an error raised on purpose is its message, a mistake keeps its traceback."""

from __future__ import annotations

import traceback

import pytest
from novacron_infra.errors import LocalProcessError
from novacron_rehearsal.providers.client import _message


def trace_of(error: Exception) -> str:
    """As Pulumi's host of dynamic providers sends it."""
    try:
        try:
            raise KeyError("cause")
        except KeyError as cause:
            raise error from cause
    except (LocalProcessError, TypeError):
        return traceback.format_exc()


def test_a_providers_own_error_class_is_shown_without_its_traceback() -> None:
    message = 'worker-0 ended at its start; the last lines:\n    ValueError: no\n      File "x.py", line 1\n    end'
    assert _message(trace_of(LocalProcessError(message))) == message


def test_a_built_in_error_keeps_its_traceback() -> None:
    trace = trace_of(TypeError("'NoneType' object is not callable"))
    assert _message(trace) == trace


@pytest.mark.parametrize("text", ["", "bucket: already exists", "Traceback of a plain text\na.b: c"])
def test_messages_without_a_traceback_stay_as_they_are(text: str) -> None:
    assert _message(text) == text
