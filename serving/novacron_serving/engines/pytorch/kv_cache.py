"""The key-value cache of the running batch.

Each choice has a slot. All slots end at the same column, so that a step appends one column for all of them. A shorter
sequence starts further right, and the columns before its start are masked. Sequences join and leave between steps: the
last slot is moved into the place of one that leaves. The buffers grow as needed.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import CacheLayerMixin

SPARE_COLUMNS = 128
"""Minimum number of steps between two reallocations of the buffers."""


class _Layer(CacheLayerMixin):
    """Keys and values of one layer, `[slots, heads, columns, size]`."""

    is_sliding = False  # the model's own mask cuts windows: the columns of a slot are consecutive positions

    def __init__(self, slots: SlotCache) -> None:
        super().__init__()
        self._slots = slots
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Do nothing: `SlotCache.join` allocates the buffers."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append one column and return all columns in use."""
        del args, kwargs
        slots = self._slots
        count, end = len(slots.lengths), slots.end
        keys: Any = self.keys
        values: Any = self.values
        keys[:count, :, end : end + 1] = key_states
        values[:count, :, end : end + 1] = value_states
        return keys[:count, :, slots.begin : end + 1], values[:count, :, slots.begin : end + 1]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the number of columns, and the first one."""
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        """Return the number of columns in use."""
        return self._slots.end - self._slots.begin

    def get_max_length(self) -> int:
        """Return -1: unlimited."""
        return -1


class SlotCache:
    """Slots of sequences that join, grow by one token per step, and leave."""

    def __init__(self, max_slots: int) -> None:
        self.lengths: list[int] = []
        """Number of tokens in each slot."""
        self.end = 0
        self._max_slots = max_slots
        self._columns = 0
        self._allocated_slots = 0
        self._cache: Cache | None = None

    @property
    def begin(self) -> int:
        """The first column of the longest sequence."""
        return self.end - max(self.lengths, default=0)

    def join(self, prompt: DynamicCache, count: int) -> None:
        """Add `count` slots, each with the keys and values of this prompt."""
        length = prompt.get_seq_length()
        if self._cache is None:
            self._cache = Cache(layers=[_Layer(self) for _ in prompt.layers])
        self._reserve(len(self.lengths) + count, length, prompt)
        first = len(self.lengths)
        for layer, filled in zip(self._layers(), cast("list[Any]", prompt.layers), strict=True):
            layer.keys[first : first + count, :, self.end - length : self.end] = filled.keys
            layer.values[first : first + count, :, self.end - length : self.end] = filled.values
        self.lengths += [length] * count

    def leave(self, slot: int) -> None:
        """Free a slot. The last slot is moved to its index."""
        last = len(self.lengths) - 1
        if slot != last:
            begin = self.end - self.lengths[last]
            for layer in self._layers():
                for buffer in (layer.keys, layer.values):
                    buffer[slot, :, begin : self.end] = buffer[last, :, begin : self.end]
            self.lengths[slot] = self.lengths[last]
        self.lengths.pop()
        if not self.lengths:
            self._cache, self._columns, self._allocated_slots, self.end = None, 0, 0, 0

    def step(self, model: PreTrainedModel, tokens: list[int]) -> torch.Tensor:
        """Append one token to each slot and return the logits, `[slots, vocabulary]`."""
        self._reserve(len(self.lengths), 0, None)
        device = model.device
        lengths = torch.tensor(self.lengths, device=device)
        longest = max(self.lengths)
        mask = None
        if min(self.lengths) != longest:
            mask = torch.arange(longest + 1, device=device)[None] >= (longest - lengths)[:, None]
        output = model(
            input_ids=torch.tensor(tokens, device=device)[:, None],
            attention_mask=mask,
            position_ids=lengths[:, None],
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.end += 1
        self.lengths = [length + 1 for length in self.lengths]
        return output.logits[:, -1]

    def _layers(self) -> list[Any]:
        return [] if self._cache is None else self._cache.layers

    def _reserve(self, slots: int, length: int, like: DynamicCache | None) -> None:
        """Make room for this many slots, a sequence of this length, and one step."""
        width = max(self.end - self.begin, length)
        if slots <= self._allocated_slots and length <= self.end and self.end < self._columns:
            return
        allocated = self._allocated_slots
        if slots > allocated:
            allocated = max(slots, min(2 * allocated, self._max_slots))
        columns = width + max(SPARE_COLUMNS, width // 2)
        kept = slice(self.begin, self.end)
        for at, layer in enumerate(self._layers()):
            for name in ("keys", "values"):
                old = getattr(layer, name)
                source = getattr(like.layers[at], name) if like is not None else old
                _, heads, _, size = source.shape
                new = torch.zeros((allocated, heads, columns, size), dtype=source.dtype, device=source.device)
                if old is not None and self.lengths:
                    count = len(self.lengths)
                    new[:count, :, width - (kept.stop - kept.start) : width] = old[:count, :, kept]
                setattr(layer, name, new)
        self._columns, self._allocated_slots, self.end = columns, allocated, width
