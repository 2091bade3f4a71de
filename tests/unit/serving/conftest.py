"""Fixtures for tests of the coordinator's decisions."""

from __future__ import annotations

import pytest
from novacron_serving.clock import ManualClock

from .cluster import Cluster


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def cluster(clock: ManualClock) -> Cluster:
    return Cluster(clock)
