"""Where the response cache stores its entries: memory, Redis and disk."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from cachetools import TLRUCache

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.coordinator.cache.response_cache import CachedResponse
from novacron_serving.coordinator.redis_client import UNAVAILABLE, RedisConfig

log = logging.getLogger(__name__)

_REDIS_TIMEOUT_S = 0.5
_REDIS_PREFIX = b"novacron:response:"
_KEPT_AFTER_EVICTION = 0.9
"""Share of the disk level's size that is left after it ran full, so that not every write has to evict."""


class MemoryLevel:
    """The memory of this coordinator. The least recently used entries are evicted first."""

    def __init__(self, max_bytes: int, clock: Clock = SYSTEM_CLOCK) -> None:
        def expiry(_key: bytes, entry: CachedResponse, _now: float) -> float:
            return entry.expires_at_s

        def size(entry: CachedResponse) -> int:
            return len(entry.response)

        self._max_bytes = max_bytes
        self._entries: TLRUCache[bytes, CachedResponse] = TLRUCache(
            maxsize=max_bytes, ttu=expiry, timer=clock.time, getsizeof=size
        )

    def get(self, key: bytes) -> CachedResponse | None:
        """Return an entry that has not expired, or None."""
        return self._entries.get(key)

    def put(self, key: bytes, entry: CachedResponse) -> None:
        """Store an entry until it expires. One that is larger than the whole level is dropped."""
        if len(entry.response) <= self._max_bytes:
            self._entries[key] = entry


class RedisLevel:
    """A Redis server or cluster, shared by all coordinators."""

    name = "redis"

    def __init__(self, url: str, config: RedisConfig, clock: Clock = SYSTEM_CLOCK) -> None:
        self._redis = config.connect(url, _REDIS_TIMEOUT_S)
        self._clock = clock

    async def get(self, key: bytes) -> CachedResponse | None:
        """Return an entry, or None when Redis does not have it or is unavailable."""
        try:
            data = await self._redis.get(_REDIS_PREFIX + key)
        except UNAVAILABLE:
            return None
        return CachedResponse.decode(data) if isinstance(data, bytes) else None

    async def put(self, key: bytes, entry: CachedResponse) -> None:
        """Store an entry until it expires."""
        left_ms = int((entry.expires_at_s - self._clock.time()) * 1000)
        if left_ms <= 0:
            return
        try:
            await self._redis.set(_REDIS_PREFIX + key, entry.encode(), px=left_ms)
        except UNAVAILABLE as error:
            log.debug("a response is not cached in Redis: %s", error)


class DiskLevel:
    """A folder with one file per entry. The least recently used files are evicted first.

    A file's modification time is when it was last used. Another process may delete files at any time.
    """

    name = "disk"

    def __init__(self, folder: Path, max_bytes: int, clock: Clock = SYSTEM_CLOCK) -> None:
        """Open a folder, creating it if needed.

        Raises:
            OSError: the folder cannot be used.
        """
        self._folder = folder
        self._max_bytes = max_bytes
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)
        self._bytes = sum(size for _, size, _ in self._files())

    async def get(self, key: bytes) -> CachedResponse | None:
        """Return an entry, or None when it is not on disk or cannot be read."""
        return await asyncio.to_thread(self._read, self._folder / key.hex())

    async def put(self, key: bytes, entry: CachedResponse) -> None:
        """Store an entry."""
        await asyncio.to_thread(self._write, self._folder / key.hex(), entry)

    def _read(self, file: Path) -> CachedResponse | None:
        now = self._clock.time()
        try:
            entry = CachedResponse.decode(file.read_bytes())
            if entry is None or entry.expires_at_s <= now:
                file.unlink(missing_ok=True)
                return None
            os.utime(file, (now, now))
        except OSError:
            return None
        return entry

    def _write(self, file: Path, entry: CachedResponse) -> None:
        part = file.with_suffix(f".{os.getpid()}")
        data = entry.encode()
        now = self._clock.time()
        try:
            part.write_bytes(data)
            os.utime(part, (now, now))
            part.replace(file)
            self._bytes += len(data)
            if self._bytes > self._max_bytes:
                self._evict()
        except OSError as error:
            part.unlink(missing_ok=True)
            log.warning("a response is not cached on disk: %s", error)

    def _files(self) -> list[tuple[float, int, Path]]:
        """Return time of last use, size and path of every file."""
        found: list[tuple[float, int, Path]] = []
        for file in self._folder.iterdir():
            try:
                status = file.stat()
            except FileNotFoundError:
                continue
            found.append((status.st_mtime, status.st_size, file))
        return found

    def _evict(self) -> None:
        files = sorted(self._files())
        self._bytes = sum(size for _, size, _ in files)
        for _, size, file in files:
            if self._bytes <= self._max_bytes * _KEPT_AFTER_EVICTION:
                break
            file.unlink(missing_ok=True)
            self._bytes -= size
