"""Keys and values of prompts that were computed lately: a prompt that begins as one of them goes on from there."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, cast

from transformers import DynamicCache


class PrefixCache:
    """Whole prompts, the one used longest ago leaves first. Answers are not kept: the next turn computes the last."""

    def __init__(self, capacity_tokens: int) -> None:
        self._capacity_tokens = capacity_tokens
        self._tokens = 0
        self._prompts: OrderedDict[tuple[int, ...], DynamicCache] = OrderedDict()

    def find(self, prompt: list[int]) -> tuple[DynamicCache, int]:
        """A cache to go on with, and how many of the prompt's tokens it has; the last one is always left to compute."""
        best, shared = (), 0
        for kept in self._prompts:
            length = _common(kept, prompt)
            if length > shared:
                best, shared = kept, length
        shared = min(shared, len(prompt) - 1)
        if not shared:
            return DynamicCache(), 0
        self._prompts.move_to_end(best)
        layers = cast("list[Any]", self._prompts[best].layers)
        # Views: what is appended makes new tensors, and leaves these as they are.
        return DynamicCache([(one.keys[:, :, :shared], one.values[:, :, :shared]) for one in layers]), shared

    def keep(self, prompt: list[int], cache: DynamicCache) -> None:
        """Take it instead of those that are its beginning: a conversation has grown."""
        if len(prompt) > self._capacity_tokens:
            return
        key = tuple(prompt)
        for kept in [kept for kept in self._prompts if key[: len(kept)] == kept]:
            self._drop(kept)
        self._prompts[key] = cache
        self._tokens += len(key)
        while self._tokens > self._capacity_tokens:
            self._drop(next(iter(self._prompts)))

    def _drop(self, kept: tuple[int, ...]) -> None:
        del self._prompts[kept]
        self._tokens -= len(kept)


def _common(kept: tuple[int, ...], prompt: list[int]) -> int:
    """Length of the beginning that both share."""
    for at, (one, other) in enumerate(zip(kept, prompt, strict=False)):
        if one != other:
            return at
    return min(len(kept), len(prompt))
