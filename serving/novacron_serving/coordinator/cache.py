"""Answers that were given before: in memory, in Redis, on disk. For keys that ask for it, and temperature 0 alone.

An answer belongs to the key that asked, unless the key shares; to the very model that gave it; and to the whole
request: one field more or less is another request. What Redis or the disk cannot give is a miss, never an error.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson
import redis.asyncio
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError

from novacron_serving.coordinator.access import CacheUse, Caller
from novacron_serving.coordinator.metrics import Metrics

log = logging.getLogger(__name__)

_TIMEOUT_S = 0.5
_MIB = 2**20


class CacheConfig(BaseModel):
    """The levels, and how much they hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    memory_mib: int = Field(default=256, ge=1)
    """L1, in this coordinator."""
    redis: bool = False
    """L2, in the Redis of `redis_url`; how much it holds, and what leaves first, is Redis' own setting."""
    disk: Path | None = None
    """L3, a folder of this coordinator alone."""
    disk_mib: int = Field(default=1024, ge=1)
    ttl_s: int = Field(default=3600, ge=1)
    """An answer is given again for so long."""
    largest_answer_kib: int = Field(default=256, ge=1)
    """A larger answer is not kept."""


class Level(Protocol):
    """One place where answers are kept."""

    name: str

    async def get(self, key: bytes) -> bytes | None:
        """The answer, or None."""
        ...

    async def put(self, key: bytes, answer: bytes) -> None:
        """Keep it."""
        ...


class Memory:
    """What is used least leaves first."""

    name = "memory"

    def __init__(self, most_bytes: int, ttl_s: float) -> None:
        self._most_bytes = most_bytes
        self._ttl_s = ttl_s
        self._answers: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def look(self, key: bytes) -> bytes | None:
        """The answer, or None, at once."""
        found = self._answers.get(key)
        if found is None:
            return None
        until_s, answer = found
        if asyncio.get_running_loop().time() > until_s:
            self._drop(key)
            return None
        self._answers.move_to_end(key)
        return answer

    def keep(self, key: bytes, answer: bytes) -> None:
        """Keep it."""
        self._drop(key)
        self._answers[key] = (asyncio.get_running_loop().time() + self._ttl_s, answer)
        self._bytes += len(answer)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: bytes) -> None:
        found = self._answers.pop(key, None)
        if found is not None:
            self._bytes -= len(found[1])


class Shared:
    """Redis, for all coordinators."""

    name = "redis"

    def __init__(self, url: str, ttl_s: int) -> None:
        self._redis: Any = redis.asyncio.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
        self._ttl_s = ttl_s

    async def get(self, key: bytes) -> bytes | None:
        """The answer, or None."""
        try:
            return await self._redis.get(b"novacron:answer:" + key)
        except (RedisError, OSError):
            return None

    async def put(self, key: bytes, answer: bytes) -> None:
        """Keep it."""
        try:
            await self._redis.set(b"novacron:answer:" + key, answer, ex=self._ttl_s)
        except (RedisError, OSError) as error:
            log.debug("an answer is not kept in Redis: %s", error)


class Disk:
    """A file for each answer; those that were used longest ago leave first."""

    name = "disk"

    def __init__(self, folder: Path, most_bytes: int, ttl_s: float) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._ttl_s = ttl_s
        folder.mkdir(parents=True, exist_ok=True)
        self._bytes = sum(file.stat().st_size for file in folder.iterdir())

    async def get(self, key: bytes) -> bytes | None:
        """The answer, or None."""
        return await asyncio.to_thread(self._read, self._folder / key.hex())

    def _read(self, file: Path) -> bytes | None:
        try:
            # Reading leaves the time of writing as it is, which says until when the answer is good.
            if file.stat().st_mtime + self._ttl_s < time.time():
                file.unlink()
                return None
            return file.read_bytes()
        except OSError:
            return None

    async def put(self, key: bytes, answer: bytes) -> None:
        """Keep it."""
        await asyncio.to_thread(self._write, self._folder / key.hex(), answer)

    def _write(self, file: Path, answer: bytes) -> None:
        part = file.with_suffix(f".{os.getpid()}")
        try:
            part.write_bytes(answer)
            part.replace(file)
            self._bytes += len(answer)
            if self._bytes > self._most_bytes:
                self._make_room()
        except OSError as error:
            part.unlink(missing_ok=True)
            log.warning("an answer is not kept on disk: %s", error)

    def _make_room(self) -> None:
        files = sorted(((file.stat(), file) for file in self._folder.iterdir()), key=lambda one: one[0].st_atime)
        self._bytes = sum(stat.st_size for stat, _ in files)
        for stat, file in files:
            if self._bytes <= self._most_bytes * 0.9:
                break
            file.unlink(missing_ok=True)
            self._bytes -= stat.st_size


class Answers:
    """All levels, the nearest first."""

    def __init__(self, config: CacheConfig, deeper: Sequence[Level], metrics: Metrics) -> None:
        self.largest_bytes = config.largest_answer_kib * 1024
        self._memory = Memory(config.memory_mib * _MIB, config.ttl_s)
        self._deeper = tuple(deeper)
        self._metrics = metrics
        self._keeping: set[asyncio.Task[None]] = set()

    def key(self, caller: Caller, model_digest: str | None, path: bytes, request: Mapping[str, Any]) -> bytes | None:
        """What the answer is kept under; None: this request's answers are not kept."""
        temperature: object = request.get("temperature")
        if caller.cache is CacheUse.OFF or model_digest is None or temperature != 0 or isinstance(temperature, bool):
            return None
        owner = "" if caller.cache is CacheUse.SHARED else caller.name
        parts = [owner, model_digest, path.decode(), request]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()

    def look(self, key: bytes) -> bytes | None:
        """What this coordinator remembers itself."""
        found = self._memory.look(key)
        self._metrics.cache_looked("memory", hit=found is not None)
        return found

    @property
    def has_deeper(self) -> bool:
        """Whether there is more than memory."""
        return bool(self._deeper)

    async def look_deeper(self, key: bytes) -> bytes | None:
        """What Redis or the disk remembers; it is kept nearer then."""
        for at, level in enumerate(self._deeper):
            found = await level.get(key)
            self._metrics.cache_looked(level.name, hit=found is not None)
            if found is not None:
                self._memory.keep(key, found)
                for nearer in self._deeper[:at]:
                    await nearer.put(key, found)
                return found
        return None

    def keep(self, key: bytes, answer: bytes) -> None:
        """An answer that was given."""
        if len(answer) > self.largest_bytes:
            return
        self._memory.keep(key, answer)
        if self._deeper:
            task = asyncio.get_running_loop().create_task(self._keep_deeper(key, answer))
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)

    async def _keep_deeper(self, key: bytes, answer: bytes) -> None:
        for level in self._deeper:
            await level.put(key, answer)
