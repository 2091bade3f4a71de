"""An environment whose clusters have their storage classes and device plugins, on simulated clouds."""

from __future__ import annotations

from typing import Any

from novacron_rehearsal import Result

from tests.rehearsal.clouds.conftest import Site, taken
from tests.rehearsal.clouds.test_environment import PACK, describe, environment

PINNED = {"repository": "registry.example/plugin", "tag": "v1", "digest": "sha256:" + "0" * 64}


def with_add_ons(values: dict[str, Any]) -> dict[str, Any]:
    images = {"nvidia_device_plugin": PINNED, "efa_device_plugin": PINNED}
    return values | {"clusters": values["clusters"] | {"add_ons": True}, "images": images}


def in_kubernetes(result: Result, prefix: str) -> set[str]:
    return {
        f"{step.op.value} {step.urn.rsplit('::', 1)[-1].removeprefix(prefix)}"
        for step in result.steps
        if "$kubernetes:" in step.urn and step.urn.rsplit("::", 1)[-1].startswith(prefix)
    }


def test_it_comes_up_stays_as_it_is_and_goes_without_a_trace(site: Site) -> None:
    describe(site, with_add_ons(environment("dev")))
    first = site.up(policy_packs=[PACK])
    assert first.succeeded, first.errors
    assert first.policy_violations == []
    made = in_kubernetes(first, "dev-us-west-2-add-ons-")
    assert {"create fast-ssd", "create gp3", "create nvidia-device-plugin"} <= made
    assert len(site.made("kubernetes")) == len(made)
    assert taken(site.workspace.preview(site.options)) == {}
    destroyed = site.workspace.destroy(site.options)
    assert destroyed.succeeded, destroyed.errors
    order = [step.urn for step in destroyed.steps]
    access = next(index for index, urn in enumerate(order) if "AccessPolicyAssociation" in urn)
    # Who may sign in, and the pools, are there until nothing is in the cluster any more.
    assert all(order.index(urn) < access for urn in order if "$kubernetes:" in urn)
    assert site.made("kubernetes") == site.made("aws") == []
