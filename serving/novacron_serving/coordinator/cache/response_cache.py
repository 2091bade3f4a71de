"""Response cache: serves repeated deterministic requests without a worker.

Only API keys that opt in use it, and only for requests with temperature 0. The cache has up to three levels: memory,
Redis and disk. An entry carries one expiry time through all of them, so that copying it to another level never
extends its life. A level that is unavailable counts as a miss, never as an error.

This module decides what is stored, under which key and for how long. `cache_levels` stores it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.coordinator.limits.authentication import CacheUse, Principal
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.errors import too_deeply_nested


class CacheConfig(BaseModel):
    """Levels of the response cache and their sizes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    memory_mib: int = Field(default=256, ge=1)
    """Size of the first level, in this coordinator's memory."""
    redis: bool = False
    """Use the Redis of `redis_url` as the second level. Redis' own settings limit its size and choose what to evict."""
    disk: Path | None = None
    """Folder of the third level. Give each coordinator its own."""
    disk_mib: int = Field(default=1024, ge=1)
    """Size of the third level."""
    ttl_s: int = Field(default=3600, ge=1)
    """Time to live of a cached response in seconds, counted from the worker's response."""
    max_response_kib: int = Field(default=256, ge=1)
    """Larger responses are not cached."""

    @model_validator(mode="before")
    @classmethod
    def _check_renamed_fields(cls, values: object) -> object:
        if isinstance(values, Mapping) and "largest_answer_kib" in values:
            raise ValueError("largest_answer_kib is now called max_response_kib; rename it")
        return cast("object", values)


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A complete response, and when it expires."""

    expires_at_s: float
    """Seconds since the epoch, the same on every level."""
    response: bytes
    """The head without the lines that belong to one request, an empty line, and the body as it was framed."""

    def encode(self) -> bytes:
        """Return the bytes that Redis and the disk hold."""
        return b"%d\n" % int(self.expires_at_s * 1000) + self.response

    @classmethod
    def decode(cls, data: bytes) -> CachedResponse | None:
        """Return the response in what `encode` returned, or None for anything else."""
        expires, end, response = data.partition(b"\n")
        if not end or not expires.isdigit() or len(expires) > 15:
            return None
        return cls(int(expires) / 1000, response)


class CacheLevel(Protocol):
    """A level behind the memory. It may return entries that have expired: `ResponseCache` checks."""

    name: str

    async def get(self, key: bytes) -> CachedResponse | None:
        """Return an entry, or None when the level does not have it or is unavailable."""
        ...

    async def put(self, key: bytes, entry: CachedResponse) -> None:
        """Store an entry until it expires."""
        ...


class FirstLevel(Protocol):
    """The first level, which answers without waiting."""

    def get(self, key: bytes) -> CachedResponse | None:
        """Return an entry that has not expired, or None."""
        ...

    def put(self, key: bytes, entry: CachedResponse) -> None:
        """Store an entry until it expires."""
        ...


class ResponseCache:
    """All levels, from the nearest to the farthest."""

    def __init__(
        self,
        config: CacheConfig,
        memory: FirstLevel,
        levels: Sequence[CacheLevel],
        metrics: Metrics,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.max_response_bytes = config.max_response_kib * 1024
        self._ttl_s = config.ttl_s
        self._memory = memory
        self._levels = tuple(levels)
        self._metrics = metrics
        self._clock = clock
        self._writes: set[asyncio.Task[None]] = set()

    def key(
        self, principal: Principal, model_identity: str | None, path: bytes, request: Mapping[str, Any]
    ) -> bytes | None:
        """Return the key of a request's response; None: the request is not cacheable.

        The key covers the API key (unless it has `cache: shared`), the model's identity, the path and every field of
        the request.

        Raises:
            RequestError: 400, the request is nested too deeply.
        """
        temperature: object = request.get("temperature")
        if (
            principal.cache is CacheUse.OFF
            or model_identity is None
            or temperature != 0
            or isinstance(temperature, bool)
        ):
            return None
        owner = "" if principal.cache is CacheUse.SHARED else principal.key_id
        parts = [owner, model_identity, path.decode(), request]
        try:
            return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()
        except orjson.JSONEncodeError as error:
            raise too_deeply_nested() from error

    def get_from_memory(self, key: bytes) -> bytes | None:
        """Return the response that this coordinator has in memory, or None."""
        entry = self._memory.get(key)
        self._metrics.count_cache_lookup("memory", hit=entry is not None)
        return None if entry is None else entry.response

    @property
    def has_more_levels(self) -> bool:
        """Whether there is a level behind the memory."""
        return bool(self._levels)

    async def get_from_levels(self, key: bytes) -> bytes | None:
        """Return the response that Redis or the disk has, and copy it to the nearer levels; or return None."""
        for index, level in enumerate(self._levels):
            entry = await level.get(key)
            if entry is not None and entry.expires_at_s <= self._clock.time():
                entry = None
            self._metrics.count_cache_lookup(level.name, hit=entry is not None)
            if entry is not None:
                self._memory.put(key, entry)
                for nearer in self._levels[:index]:
                    await nearer.put(key, entry)
                return entry.response
        return None

    def put(self, key: bytes, response: bytes) -> None:
        """Store a complete response on every level. Redis and the disk are written in the background."""
        entry = CachedResponse(self._clock.time() + self._ttl_s, response)
        self._memory.put(key, entry)
        if self._levels:
            task = asyncio.get_running_loop().create_task(self._put_on_levels(key, entry))
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)

    async def _put_on_levels(self, key: bytes, entry: CachedResponse) -> None:
        for level in self._levels:
            await level.put(key, entry)
