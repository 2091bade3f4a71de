"""Clocks. Code that depends on time takes a `Clock`, so that a test can move time by hand instead of sleeping."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def time(self) -> float:
        """Return the wall-clock time in seconds since the epoch. It can jump; other processes see the same time."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes backwards. Only differences are meaningful."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once this many seconds have passed on the monotonic clock."""
        ...


class SystemClock:
    """The clock of the operating system."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        """Return after this many seconds."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock for tests. It stands still until `advance` is called."""

    def __init__(self, *, time: float = 1_700_000_000.0, monotonic: float = 1_000.0) -> None:
        self._time = time
        self._monotonic = monotonic
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def time(self) -> float:
        """Return the wall-clock time in seconds since the epoch."""
        return self._time

    def monotonic(self) -> float:
        """Return the monotonic time in seconds."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Return once `advance` has moved the clock by this many seconds."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Move the clock forward and wake every sleeper whose time has come, the earliest first.

        A woken task runs once the caller yields to the event loop.
        """
        self._time += seconds
        self._monotonic += seconds
        while self._sleepers and self._sleepers[0][0] <= self._monotonic:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)


SYSTEM_CLOCK = SystemClock()
"""The default wherever a clock is optional."""
