"""Counts the tokens of a response from its raw bytes."""

from __future__ import annotations

import re

_USAGE = re.compile(rb'"(?:prompt|completion)_tokens":\s*(\d+)')
_TAIL_BYTES = 1024
"""The end of a response, which contains its usage."""
_BYTES_PER_TOKEN = 4
"""Estimate for a prompt whose tokens are not reported; typical for English."""


class UsageMeter:
    """Counts the tokens of one response."""

    def __init__(self) -> None:
        self._tail = b""
        self._events = 0

    def add(self, data: bytes) -> None:
        """Count a piece of the response."""
        self._events += data.count(b"data: ")
        self._tail = (self._tail + data)[-_TAIL_BYTES:]

    def tokens(self, request_body: bytes | bytearray) -> int:
        """Return the tokens of prompt and answer.

        An incomplete response reports no usage: its tokens are estimated by the length of the prompt and one token for
        each event.
        """
        reported = [int(tokens) for tokens in _USAGE.findall(self._tail)][-2:]
        return sum(reported) if reported else len(request_body) // _BYTES_PER_TOKEN + self._events
