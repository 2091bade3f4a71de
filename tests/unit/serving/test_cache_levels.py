"""The stores of the response cache: memory and disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from novacron_serving.clock import ManualClock
from novacron_serving.coordinator.cache.levels import DiskLevel, MemoryLevel
from novacron_serving.coordinator.cache.response_cache import CachedResponse

KEYS = [bytes([number]) * 32 for number in range(10)]


def entry(clock: ManualClock, size: int = 100, ttl_s: float = 60.0) -> CachedResponse:
    return CachedResponse(clock.time() + ttl_s, b"x" * size)


def test_memory_evicts_the_least_recently_used_entry(clock: ManualClock) -> None:
    memory = MemoryLevel(300, clock)
    for key in KEYS[:3]:
        memory.put(key, entry(clock))
    assert memory.get(KEYS[0]) is not None
    memory.put(KEYS[3], entry(clock))
    assert [memory.get(key) is not None for key in KEYS[:4]] == [True, False, True, True]


def test_memory_drops_an_entry_that_is_larger_than_itself(clock: ManualClock) -> None:
    memory = MemoryLevel(300, clock)
    memory.put(KEYS[0], entry(clock))
    memory.put(KEYS[1], entry(clock, size=301))
    assert memory.get(KEYS[1]) is None
    assert memory.get(KEYS[0]) is not None


def test_memory_counts_a_replaced_entry_once(clock: ManualClock) -> None:
    memory = MemoryLevel(300, clock)
    for _ in range(10):
        memory.put(KEYS[0], entry(clock))
    memory.put(KEYS[1], entry(clock))
    memory.put(KEYS[2], entry(clock))
    assert all(memory.get(key) is not None for key in KEYS[:3])


def test_memory_returns_no_expired_entry_and_frees_its_space(clock: ManualClock) -> None:
    memory = MemoryLevel(300, clock)
    memory.put(KEYS[0], entry(clock, ttl_s=1))
    memory.put(KEYS[1], entry(clock))
    memory.put(KEYS[2], entry(clock))
    clock.advance(1)
    assert memory.get(KEYS[0]) is None
    memory.put(KEYS[3], entry(clock))
    assert all(memory.get(key) is not None for key in KEYS[1:4])
    memory.put(KEYS[4], entry(clock, ttl_s=0))
    assert memory.get(KEYS[4]) is None


def test_disk_keeps_entries_over_a_restart_with_their_expiry(clock: ManualClock, tmp_path: Path) -> None:
    async def run() -> None:
        stored = entry(clock, ttl_s=4)
        await DiskLevel(tmp_path / "cache", 10_000, clock).put(KEYS[0], stored)
        clock.advance(3.5)
        restarted = DiskLevel(tmp_path / "cache", 10_000, clock)
        assert await restarted.get(KEYS[0]) == stored
        clock.advance(0.5)
        assert await restarted.get(KEYS[0]) is None
        assert list((tmp_path / "cache").iterdir()) == []

    asyncio.run(run())


def test_disk_evicts_the_least_recently_used_entries(clock: ManualClock, tmp_path: Path) -> None:
    async def run() -> None:
        size = len(entry(clock).encode())
        disk = DiskLevel(tmp_path, 4 * size, clock)
        for key in KEYS[:4]:
            await disk.put(key, entry(clock))
            clock.advance(1)
        assert await disk.get(KEYS[0]) is not None
        clock.advance(1)
        await disk.put(KEYS[4], entry(clock))
        left = [await disk.get(key) is not None for key in KEYS[:5]]
        assert left == [True, False, False, True, True]

    asyncio.run(run())
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 4 * len(entry(clock).encode())


def test_disk_treats_damaged_and_missing_files_as_misses(clock: ManualClock, tmp_path: Path) -> None:
    async def run() -> None:
        disk = DiskLevel(tmp_path, 10_000, clock)
        (tmp_path / KEYS[0].hex()).write_bytes(b"HTTP/1.1 200 OK\r\n\r\nwritten by an earlier version")
        assert await disk.get(KEYS[0]) is None
        assert not (tmp_path / KEYS[0].hex()).exists()
        assert await disk.get(KEYS[1]) is None
        await disk.put(KEYS[2], entry(clock))
        (tmp_path / KEYS[2].hex()).unlink()
        assert await disk.get(KEYS[2]) is None

    asyncio.run(run())


def test_disk_level_without_its_folder_misses(clock: ManualClock, tmp_path: Path) -> None:
    async def run() -> None:
        folder = tmp_path / "cache"
        disk = DiskLevel(folder, 10_000, clock)
        folder.rmdir()
        await disk.put(KEYS[0], entry(clock))
        assert await disk.get(KEYS[0]) is None

    asyncio.run(run())
