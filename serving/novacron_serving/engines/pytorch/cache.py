"""The key-value cache of the answers that are decoded together.

Each answer is a row. All rows end at the same column, so that a step appends one column for all of them; a short row
begins further right, and what lies before its beginning is masked. Rows join and leave between steps: the last row
takes the place of one that leaves. Columns and rows are made as they are needed.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import CacheLayerMixin

SPARE_COLUMNS = 128
"""At least so many steps until the buffers have to be moved again."""


class _Layer(CacheLayerMixin):
    """One layer's keys and values, `[rows, heads, columns, size]`."""

    is_sliding = False  # windows are cut by the model's own mask: columns of a row are consecutive positions

    def __init__(self, rows: RowCache) -> None:
        super().__init__()
        self._rows = rows
        self.is_initialized = True

    def lazy_initialization(self, key_states: Any, value_states: Any) -> None:
        """Made by `RowCache.join`."""

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """One more column; and all of them, back."""
        del args, kwargs
        rows = self._rows
        count, end = len(rows.lengths), rows.end
        keys: Any = self.keys
        values: Any = self.values
        keys[:count, :, end : end + 1] = key_states
        values[:count, :, end : end + 1] = value_states
        return keys[:count, :, rows.begin : end + 1], values[:count, :, rows.begin : end + 1]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns, and the first one."""
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self._rows.end - self._rows.begin

    def get_max_length(self) -> int:
        """No bound."""
        return -1


class RowCache:
    """Rows that join, grow by a token a step, and leave."""

    def __init__(self, most_rows: int) -> None:
        self.lengths: list[int] = []
        """Tokens of each row."""
        self._most_rows = most_rows
        self.end = 0
        self._columns = 0
        self._row_places = 0
        self._cache: Cache | None = None

    @property
    def begin(self) -> int:
        """The first column of the longest row."""
        return self.end - max(self.lengths, default=0)

    def join(self, prompt: DynamicCache, count: int) -> None:
        """So many rows more, each with this prompt's keys and values."""
        length = prompt.get_seq_length()
        if self._cache is None:
            self._cache = Cache(layers=[_Layer(self) for _ in prompt.layers])
        self._make_room(len(self.lengths) + count, length, prompt)
        first = len(self.lengths)
        for layer, filled in zip(self._layers(), cast("list[Any]", prompt.layers), strict=True):
            layer.keys[first : first + count, :, self.end - length : self.end] = filled.keys
            layer.values[first : first + count, :, self.end - length : self.end] = filled.values
        self.lengths += [length] * count

    def leave(self, row: int) -> None:
        """The last row takes its place."""
        last = len(self.lengths) - 1
        if row != last:
            begin = self.end - self.lengths[last]
            for layer in self._layers():
                for buffer in (layer.keys, layer.values):
                    buffer[row, :, begin : self.end] = buffer[last, :, begin : self.end]
            self.lengths[row] = self.lengths[last]
        self.lengths.pop()
        if not self.lengths:
            self._cache, self._columns, self._row_places, self.end = None, 0, 0, 0

    def step(self, model: Any, tokens: list[int]) -> Any:
        """The logits after one token more in each row, `[rows, vocabulary]`."""
        self._make_room(len(self.lengths), 0, None)
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

    def _make_room(self, rows: int, length: int, like: DynamicCache | None) -> None:
        """For so many rows, one of them so long, and one step more."""
        width = max(self.end - self.begin, length)
        if rows <= self._row_places and length <= self.end and self.end < self._columns:
            return
        places = max(rows, min(2 * self._row_places, self._most_rows)) if rows > self._row_places else self._row_places
        columns = width + max(SPARE_COLUMNS, width // 2)
        kept = slice(self.begin, self.end)
        for at, layer in enumerate(self._layers()):
            for name in ("keys", "values"):
                old = getattr(layer, name)
                source = getattr(like.layers[at], name) if like is not None else old
                _, heads, _, size = source.shape
                new = torch.zeros((places, heads, columns, size), dtype=source.dtype, device=source.device)
                if old is not None and self.lengths:
                    count = len(self.lengths)
                    new[:count, :, width - (kept.stop - kept.start) : width] = old[:count, :, kept]
                setattr(layer, name, new)
        self._columns, self._row_places, self.end = columns, places, width
