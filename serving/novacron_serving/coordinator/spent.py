"""What an answer takes of its key's tokens, by the answer's bytes."""

from __future__ import annotations

import re

_TOLD = re.compile(rb'"(?:prompt|completion)_tokens":\s*(\d+)')
_TAIL_BYTES = 1024
"""The end of an answer, in which its usage stands."""
_BYTES_OF_TOKEN = 4
"""Of a prompt whose tokens are not told: about what English takes."""


class Spent:
    """Counts what passes."""

    def __init__(self) -> None:
        self._tail = b""
        self._events = 0

    def see(self, data: bytes) -> None:
        """A piece of the answer."""
        self._events += data.count(b"data: ")
        self._tail = (self._tail + data)[-_TAIL_BYTES:]

    def tokens(self, body: bytes | bytearray) -> int:
        """Of the answer, or the part of it that was given. Args: `body`: the request's."""
        told = [int(tokens) for tokens in _TOLD.findall(self._tail)][-2:]
        # A client that left before the end pays for what it got: an event for each token, about.
        return sum(told) if told else len(body) // _BYTES_OF_TOKEN + self._events
