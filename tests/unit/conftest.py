"""What the tests of this folder share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def event_loop_of_mocks() -> Iterator[None]:
    """Pulumi's mocks use the thread's event loop, which is gone after a run of the engine in the same process."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()
