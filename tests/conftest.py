"""Test groups that are the same for all tests of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
GROUPS = {
    "unit/aws": "aws",
    "unit/azure": "azure",
    "unit/gcp": "gcp",
    "unit/test_independent_checks.py": "azure",
    "rehearsal/clouds/test_azure_region.py": "azure",
}
"""Tests that import the classes of a cloud's SDK run in one process: azure-native takes longer than its tests."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each test of `GROUPS` into its group."""
    for item in items:
        path = item.path.relative_to(ROOT) if item.path.is_relative_to(ROOT) else item.path
        for location in (path, *path.parents):
            if group := GROUPS.get(location.as_posix()):
                item.add_marker(pytest.mark.xdist_group(group))
                break
