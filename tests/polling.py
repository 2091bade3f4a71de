"""Waiting for what has no event to wait for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

INTERVAL_S = 0.005


async def until(condition: Callable[[], object], limit_s: float = 20) -> None:
    """Let the event loop run until a condition holds. The test fails if that takes longer than the limit."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"the condition does not hold after {limit_s:g} s"
        await asyncio.sleep(INTERVAL_S)
