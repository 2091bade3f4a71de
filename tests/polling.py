"""Waiting for what has no event to wait for, and ports."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

INTERVAL_S = 0.005
PROCESS_INTERVAL_S = 0.05


async def until(condition: Callable[[], object], limit_s: float = 20) -> None:
    """Let the event loop run until a condition holds. The test fails if that takes longer than the limit."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"the condition does not hold after {limit_s:g} s"
        await asyncio.sleep(INTERVAL_S)


def wait_until(condition: Callable[[], object], what: str, limit_s: float = 60) -> None:
    """Wait until a condition holds. Other processes have no events to wait for.

    Args:
        condition: checked every 50 ms. A check that takes longer is followed by a pause as long as itself.
        what: the condition in words, for the message.
        limit_s: the test fails after this time.
    """
    end = time.monotonic() + limit_s
    while True:
        began = time.monotonic()
        if condition():
            return
        assert began < end, f"not within {limit_s:g} s: {what}"
        time.sleep(max(PROCESS_INTERVAL_S, time.monotonic() - began))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Return whether something accepts connections at a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
