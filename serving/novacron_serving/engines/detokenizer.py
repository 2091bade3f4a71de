"""Tokens to text as it can be shown: no half characters, and nothing that may yet become a stop text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

LONGEST_CHARACTER_TOKENS = 4
"""A character of UTF-8 is at most four bytes, and a token at least one: what is longer is broken, and shown so."""


class Detokenizer:
    """The text of one answer, token by token; each step costs the same, however long the answer is."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: tuple[str, ...]) -> None:
        """Args: `decode`: of the tokenizer; `stops`: texts that end the answer."""
        self._decode = decode
        self._stops = tuple(stop for stop in stops if stop)
        # A token's text depends on those before it (a space that only stands between words). Decoding the last few
        # tokens again is enough: `_before` is the text of those that were told already, `_pending` are the new ones.
        self._context: list[int] = []
        self._before = ""
        self._pending: list[int] = []
        self._held = ""

    def add(self, token: int) -> tuple[str, bool]:
        """The text that may be shown now, and whether a stop text ended it."""
        self._pending.append(token)
        text = self._decode(self._context + self._pending)
        if text == self._before:
            self._pending.pop()  # a special token has no text
            return "", False
        if text.endswith("\N{REPLACEMENT CHARACTER}") and len(self._pending) < LONGEST_CHARACTER_TOKENS:
            return "", False
        self._take(text)
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            return self._show(min(found)), True
        return self._show(len(self._held) - self._beginning_of_a_stop()), False

    def rest(self) -> str:
        """What was held back."""
        self._take(self._decode(self._context + self._pending))
        return self._show(len(self._held))

    def _take(self, text: str) -> None:
        self._held += text[len(self._before) :]
        self._context, self._pending = self._pending, []
        self._before = self._decode(self._context)

    def _show(self, end: int) -> str:
        shown, self._held = self._held[:end], self._held[end:]
        return shown

    def _beginning_of_a_stop(self) -> int:
        """How many characters at the end may be the beginning of a stop text."""
        return max((_overlap(self._held, stop) for stop in self._stops), default=0)


def _overlap(text: str, stop: str) -> int:
    longest = min(len(stop) - 1, len(text))
    return next((length for length in range(longest, 0, -1) if text.endswith(stop[:length])), 0)
