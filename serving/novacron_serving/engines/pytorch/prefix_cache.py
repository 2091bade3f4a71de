"""Prefix cache: reuses the keys and values of recent prompts."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, cast

from transformers import DynamicCache


class PrefixCache:
    """Whole prompts, least recently used evicted first.

    Completions are not kept: the next turn of a conversation computes the last one.
    """

    def __init__(self, capacity_tokens: int) -> None:
        self._capacity_tokens = capacity_tokens
        self._tokens = 0
        self._prompts: OrderedDict[tuple[int, ...], DynamicCache] = OrderedDict()

    def find(self, prompt: list[int]) -> tuple[DynamicCache, int]:
        """Return a cache with the longest common prefix of the prompt, and the length of that prefix in tokens.

        The prefix never includes the last token of the prompt, because its logits are needed.
        """
        best, shared = (), 0
        for kept in self._prompts:
            length = _common_length(kept, prompt)
            if length > shared:
                best, shared = kept, length
        shared = min(shared, len(prompt) - 1)
        if not shared:
            return DynamicCache(), 0
        self._prompts.move_to_end(best)
        layers = cast("list[Any]", self._prompts[best].layers)
        # These are views. Appending makes new tensors and leaves the kept ones unchanged.
        return DynamicCache([(one.keys[:, :, :shared], one.values[:, :, :shared]) for one in layers]), shared

    def put(self, prompt: list[int], cache: DynamicCache) -> None:
        """Keep a prompt. It replaces its own prefixes, which are earlier turns of the conversation."""
        if len(prompt) > self._capacity_tokens:
            return
        key = tuple(prompt)
        for kept in [kept for kept in self._prompts if key[: len(kept)] == kept]:
            self._remove(kept)
        self._prompts[key] = cache
        self._tokens += len(key)
        while self._tokens > self._capacity_tokens:
            self._remove(next(iter(self._prompts)))

    def _remove(self, kept: tuple[int, ...]) -> None:
        del self._prompts[kept]
        self._tokens -= len(kept)


def _common_length(kept: tuple[int, ...], prompt: list[int]) -> int:
    for at, (one, other) in enumerate(zip(kept, prompt, strict=False)):
        if one != other:
            return at
    return min(len(kept), len(prompt))
