"""Fixtures of the unit tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def event_loop_of_mocks() -> Iterator[None]:
    """Give the thread an event loop: Pulumi's mocks need one, and a run of the engine in this process closes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()
