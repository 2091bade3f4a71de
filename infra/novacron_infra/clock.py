"""Clocks. Code that waits takes a `Clock`, so that a test can move time by hand instead of sleeping."""

from __future__ import annotations

import datetime as dt
import os
import time
from typing import Protocol

from novacron_infra.errors import NovaCronError

TODAY_VARIABLE = "NOVACRON_TODAY"
"""Environment variable with the date that counts as today, such as 2026-11-30."""


class Clock(Protocol):
    """A source of time."""

    def time(self) -> float:
        """Return the wall-clock time in seconds since the epoch. It can jump; other processes see the same time."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes backwards. Only differences are meaningful."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Return once this many seconds have passed on the monotonic clock."""
        ...


class SystemClock:
    """The clock of the operating system."""

    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
    time = staticmethod(time.time)


class ManualClock:
    """A clock for tests. It moves only when someone sleeps on it, or calls `advance`."""

    def __init__(self, *, time: float = 1_700_000_000.0, monotonic: float = 1_000.0) -> None:
        self._time = time
        self._monotonic = monotonic

    def time(self) -> float:
        """Return the wall-clock time in seconds since the epoch."""
        return self._time

    def monotonic(self) -> float:
        """Return the monotonic time in seconds."""
        return self._monotonic

    def sleep(self, seconds: float, /) -> None:
        """Move the clock forward and return at once."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock forward by this many seconds."""
        self._time += seconds
        self._monotonic += seconds


SYSTEM_CLOCK = SystemClock()
"""The default wherever a clock is optional."""


def read_today() -> dt.date:
    """Return the date of today in UTC, or the date in `NOVACRON_TODAY`, for a plan that is to be repeated.

    Raises:
        NovaCronError: if the variable has no date.
    """
    stated = os.environ.get(TODAY_VARIABLE)
    if not stated:
        return dt.datetime.now(dt.timezone.utc).date()
    try:
        return dt.date.fromisoformat(stated)
    except ValueError as error:
        raise NovaCronError(f"{TODAY_VARIABLE} is {stated!r}; it must be a date such as 2026-11-30") from error
