"""A region that is dead, or whose cluster is, does not keep the others from being updated."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from novacron_ops.project import ProjectStack
from novacron_ops.regions import region_patterns
from novacron_rehearsal import Options, Result
from novacron_rehearsal.urn import STACK_TYPE

from tests.rehearsal.clouds.conftest import Site, a_site, taken
from tests.rehearsal.clouds.test_cluster_add_ons import PINNED, in_kubernetes, with_add_ons
from tests.rehearsal.clouds.test_environment import describe, environment

pytestmark = pytest.mark.xdist_group("dead region")
ALIVE, DEAD = "dev-us-west-2", "dev-eu-west-2"
DOWN = """
- {fault: region_down, region: eu-west-2, type: 'aws:[!i]*'}
- {fault: region_down, region: eu-west-2, type: 'aws:index/getCallerIdentity*'}
"""
"""IAM is not regional, and other `aws:index` functions make no calls."""


def two_regions() -> dict[str, Any]:
    """Return the development environment in two regions, with add-ons in its clusters."""
    values = copy.deepcopy(environment("dev"))
    first = values["regions"][0]
    second = {"name": "eu-west-2", "dns_label": "eu", "network": "10.9.0.0/16", "zones": ["eu-west-2a", "eu-west-2b"]}
    values["clusters"]["version"] = "1.34"
    values["regions"] = [first, {**first, **second}]
    values["accounts"] = {"aws_account_id": "123456789012"}
    values["traffic"] = environment("prod")["traffic"]
    workers = values["workers"]
    for key in ("count", "minimum", "maximum"):
        workers[key] *= 2
    return with_add_ons(values)


def upgraded() -> dict[str, Any]:
    values = two_regions()
    values["clusters"]["version"] = "1.35"
    return values


def touched(result: Result, prefix: str) -> set[str]:
    """The operations of a run on one region's resources, `same` left out."""
    return {
        f"{step.op.value} {step.urn.rsplit('::', 1)[-1]}"
        for step in result.steps
        if step.urn.rsplit("::", 1)[-1].startswith(prefix) and step.op.value != "same"
    }


def recorded(site: Site, prefix: str) -> dict[str, object]:
    """The inputs in the state of one region's resources."""
    return {
        s.urn: s.inputs for s in site.workspace.snapshot().resources if s.urn.rsplit("::", 1)[-1].startswith(prefix)
    }


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two regions that are up, for tests that work on copies of it."""
    folder = tmp_path_factory.mktemp("regions")
    with a_site(folder) as site:
        describe(site, two_regions())
        assert taken(site.up())["create"] > 200
    return folder


@pytest.fixture
def site(regions: Path, tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path, copy_of=regions) as made:
        yield made


@pytest.mark.parametrize("left_out", [False, True], ids=["continue-on-error", "without-region"])
def test_the_others_are_updated_and_the_dead_one_catches_up(site: Site, left_out: bool) -> None:
    before = recorded(site, DEAD)
    describe(site, upgraded())
    site.faults.write_text(DOWN)
    options: Options = replace(site.options, continue_on_error=True)
    if left_out:
        patterns = region_patterns(ProjectStack(site.folder, "dev"), ["eu-west-2"])
        options = replace(options, exclude=patterns)
    struck = site.workspace.up(options)
    assert struck.succeeded is left_out, struck.errors
    assert left_out or "eu-west-2" in struck.errors
    assert f"update {ALIVE}-cluster" in touched(struck, ALIVE)
    assert touched(struck, DEAD) == set()
    assert recorded(site, DEAD) == before
    site.faults.write_text("")
    second = site.up()
    assert second.succeeded, second.errors
    assert touched(second, ALIVE) == set(), struck.errors
    assert f"update {DEAD}-cluster" in touched(second, DEAD)
    assert taken(site.up()) == {}


@pytest.mark.parametrize("dead", ["kubernetes", "left out"])
def test_unreachable_cluster_does_not_stop_other_regions(site: Site, dead: str) -> None:
    changed = two_regions()
    changed["images"] = {name: PINNED | {"tag": "v2"} for name in changed["images"]}
    describe(site, changed)
    plugins = {"update nvidia-device-plugin"}
    options = replace(site.options, continue_on_error=True)
    if dead == "left out":
        options = replace(options, exclude=region_patterns(ProjectStack(site.folder, "dev"), ["eu-west-2"]))
    else:
        site.faults.write_text(f"- {{fault: region_down, urn: '*kubernetes:apps*::{DEAD}-*'}}")
    struck = site.workspace.up(options)
    assert struck.succeeded is (dead == "left out"), struck.errors
    assert plugins <= in_kubernetes(struck, f"{ALIVE}-add-ons-")
    assert not plugins & in_kubernetes(struck, f"{DEAD}-add-ons-")
    site.faults.write_text("")
    assert plugins <= in_kubernetes(site.up(), f"{DEAD}-add-ons-")
    assert taken(site.up()) == {}


def test_no_region_needs_another(site: Site) -> None:
    resources = [state for state in site.workspace.snapshot().resources if state.type != STACK_TYPE]
    for own, other in ((ALIVE, DEAD), (DEAD, ALIVE)):
        crossing = [
            (state.urn, needed)
            for state in resources
            if state.urn.rsplit("::", 1)[-1].startswith(own)
            for needed in state.needs()
            if needed.rsplit("::", 1)[-1].startswith(other)
        ]
        assert crossing == []
