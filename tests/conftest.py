"""Settings of all tests: threads, Hypothesis, the garbage collector, groups in one process, and Pulumi's programs."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from novacron_infra.clock import TODAY_VARIABLE

from tools.cluster.pulumi_cli import PROGRAMS, search_path

# Threads of PyTorch only wait for each other: models of tests are small, and two processes run tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The date decides which versions of Kubernetes the clouds support. Programs that tests start get it too.
os.environ.setdefault(TODAY_VARIABLE, "2026-11-30")
# A machine that runs several test suites is slow at times, which says nothing about the code.
settings.register_profile("novacron", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("novacron")

ROOT = Path(__file__).parent
GROUPS = {
    "unit/aws": "aws",
    "unit/azure": "azure",
    "unit/gcp": "gcp",
    "unit/rehearsal/clouds/test_schema.py": "azure",
    "unit/test_changed_values.py": "azure",
    "unit/test_environment_names.py": "azure",
    "unit/test_existing_buckets.py": "azure",
    "unit/test_existing_networks.py": "azure",
    "unit/test_existing_registries.py": "azure",
    "unit/test_identity.py": "azure",
    "unit/test_independent_checks.py": "azure",
    "unit/test_simulated_stack.py": "azure",
    "rehearsal/clouds/test_example_environments.py": "azure",
    "serving/test_batching.py": "pytorch",
    "serving/test_incomplete_models.py": "pytorch",
    "serving/test_quality.py": "pytorch",
    "serving/test_tiny_model_generation.py": "pytorch",
    "serving/test_worker_api.py": "pytorch",
    "serving/test_worker_api_any_json.py": "pytorch",
    "unit/serving/test_guides.py": "pytorch",
    "unit/serving/test_prompts.py": "pytorch",
    "unit/serving/test_sampling.py": "pytorch",
    "unit/serving/test_slot_cache.py": "pytorch",
}
"""Tests that import PyTorch or the classes of a cloud's SDK, in one process: the import takes longer than they do."""
LONGEST_FIRST = (
    "local platform",
    "readme",
    "gateway",
    "azure",
    "serving",
    "pytorch",
    "serving in regions",
    "prometheus",
)
"""Groups in the order in which the processes of `make test` begin them. Begun later, they would end after the rest."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each test of `GROUPS` into its group, and the longest groups first."""
    for item in items:
        path = item.path.relative_to(ROOT) if item.path.is_relative_to(ROOT) else item.path
        for location in (path, *path.parents):
            if group := GROUPS.get(location.as_posix()):
                item.add_marker(pytest.mark.xdist_group(group))
                break
    items.sort(key=_find_place)


def _find_place(item: pytest.Item) -> int:
    marker = item.get_closest_marker("xdist_group")
    group = marker.args[0] if marker else None
    return LONGEST_FIRST.index(group) if group in LONGEST_FIRST else len(LONGEST_FIRST)


def pytest_collection_finish() -> None:
    """Collect garbage rarely: each collection visits the classes of the SDKs and many futures, which all live on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)


def pytest_sessionfinish() -> None:
    """Spare pytest's last five collections, which take seconds: they would visit all classes of the SDKs."""
    gc.freeze()


@pytest.fixture(scope="session")
def pulumi_path() -> str:
    """Return the folders with the Pulumi CLI, Pulumi's Kubernetes provider and a language host, as in PATH."""
    if not all(program.path.exists() for program in PROGRAMS):
        pytest.skip("needs Pulumi's programs, which `python -m tools.cluster build pulumi` builds")
    return search_path()
