"""Converts tokens to text incrementally. Partial characters and possible starts of stop texts are held back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

LONGEST_CHARACTER_TOKENS = 4
"""A UTF-8 character has at most four bytes, and a token at least one. More pending tokens are invalid text."""


class Detokenizer:
    """The text of one choice. The cost of a step does not depend on the length of the text."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: tuple[str, ...]) -> None:
        """Start with an empty text.

        Args:
            decode: returns the text of tokens.
            stops: texts that end the choice.
        """
        self._decode = decode
        self._stops = tuple(stop for stop in stops if stop)
        # A token's text depends on the tokens before it: a leading space appears between words only. It is enough to
        # decode the last few tokens again. `_before` is the text of `_context`, which was returned already.
        self._context: list[int] = []
        self._before = ""
        self._pending: list[int] = []
        self._held = ""

    def add(self, token: int) -> tuple[str, bool]:
        """Return the text that is complete with this token, and whether a stop text ended the choice."""
        self._pending.append(token)
        text = self._decode(self._context + self._pending)
        if text == self._before:
            self._pending.pop()  # a control token has no text
            return "", False
        if text.endswith("\N{REPLACEMENT CHARACTER}") and len(self._pending) < LONGEST_CHARACTER_TOKENS:
            return "", False
        self._commit(text)
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            return self._release(min(found)), True
        return self._release(len(self._held) - self._partial_stop_length()), False

    def flush(self) -> str:
        """Return the text that was held back."""
        self._commit(self._decode(self._context + self._pending))
        return self._release(len(self._held))

    def _commit(self, text: str) -> None:
        self._held += text[len(self._before) :]
        self._context, self._pending = self._pending, []
        self._before = self._decode(self._context)

    def _release(self, end: int) -> str:
        released, self._held = self._held[:end], self._held[end:]
        return released

    def _partial_stop_length(self) -> int:
        """Return the number of characters at the end that may be the start of a stop text."""
        return max((_overlap(self._held, stop) for stop in self._stops), default=0)


def _overlap(text: str, stop: str) -> int:
    longest = min(len(stop) - 1, len(text))
    return next((length for length in range(longest, 0, -1) if text.endswith(stop[:length])), 0)
