"""A region on AWS's mocks, which the modules of this folder share."""

from __future__ import annotations

from functools import cache

import pytest

from tests.unit.aws import samples
from tests.unit.aws.graph import declare
from tests.unit.graph import Graph


@cache
def declare_region() -> Graph:
    return declare(samples.region)


# The event loop of the mocks has this scope, so the fixture cannot have a wider one.
@pytest.fixture(scope="module")
def region() -> Graph:
    """Return the graph of a whole region. Tests leave it unchanged."""
    return declare_region()
