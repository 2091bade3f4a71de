"""The clock that tests move by hand."""

from __future__ import annotations

import asyncio

from novacron_serving.clock import SYSTEM_CLOCK, Clock, ManualClock


def test_manual_clock_stands_still_until_advanced() -> None:
    clock = ManualClock(time=50.0, monotonic=7.0)
    assert (clock.time(), clock.monotonic()) == (50.0, 7.0)
    clock.advance(2.5)
    assert (clock.time(), clock.monotonic()) == (52.5, 9.5)


async def _woken_by(clock: ManualClock, steps: list[float]) -> list[list[float]]:
    """Return which of three sleepers have woken after each step."""
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3.0, 1.0, 2.0)]
    await asyncio.sleep(0)
    seen: list[list[float]] = []
    for step in steps:
        clock.advance(step)
        await asyncio.sleep(0)
        seen.append(list(woken))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    clock.advance(100)  # a cancelled sleeper is ignored
    return seen


def test_manual_clock_wakes_sleepers_in_order_of_their_deadlines() -> None:
    assert asyncio.run(_woken_by(ManualClock(), [0.5, 1.5])) == [[], [1.0, 2.0]]


def test_system_clock_is_a_clock() -> None:
    clock: Clock = SYSTEM_CLOCK
    assert clock.monotonic() <= clock.monotonic()
    assert clock.time() > 1_700_000_000
    asyncio.run(clock.sleep(0.001))
