"""The stack `trial`: the serving stack in a cluster of your own, on the simulated Kubernetes provider."""

from __future__ import annotations

import copy

from tests.rehearsal.clouds.conftest import Site, taken
from tests.rehearsal.clouds.test_environment import PACK, changes, describe, environment


def test_trial_comes_up_rolls_with_its_configuration_and_goes_without_a_trace(site: Site) -> None:
    values = environment("trial")
    describe(site, values)
    first = site.up(policy_packs=[PACK])
    assert first.succeeded, first.errors
    assert first.policy_violations == []
    assert first.outputs["endpoint"] == "http://127.0.0.1:30080/v1"
    assert (first.outputs["namespace"], first.outputs["model"]) == ("novacron-llm", "novacron-tiny")
    order = [step.urn.rsplit("::", 1)[-1] for step in first.steps]
    ordered = ["serving-novacron-llm", "serving-novacron-llm-default-deny", "serving-llm-coordinator"]
    positions = [order.index(name) for name in [*ordered, "serving-llm-workers"]]
    assert positions == sorted(positions)
    assert taken(site.workspace.preview(site.options)) == {}
    changed = copy.deepcopy(values)
    changed["coordinators"]["max_requests"] = 7
    describe(site, changed)
    assert changes(site.workspace.preview(site.options)) == {
        ("replace", "serving-llm-coordinator-config"),
        ("update", "serving-llm-coordinator"),
    }
    assert taken(site.up())
    destroyed = site.workspace.destroy(site.options)
    assert destroyed.succeeded, destroyed.errors
    assert site.made("kubernetes") == []


def test_charts_come_before_the_objects_that_use_their_definitions(site: Site) -> None:
    add_ons = {"cert_manager": "install", "monitoring": "install"}
    describe(site, environment("trial") | {"add_ons": add_ons, "cluster_tls": True})
    first = site.up(policy_packs=[PACK])
    assert first.succeeded, first.errors
    assert first.policy_violations == []
    order = [step.urn.rsplit("::", 1)[-1] for step in first.steps]
    ordered = ["add-ons-monitoring", "add-ons-cert-manager", "serving-novacron-cluster-ca", "serving-novacron-cluster"]
    positions = [order.index(name) for name in [*ordered, "serving-llm-workers-certificate", "serving-llm-workers"]]
    assert positions == sorted(positions)
    assert taken(site.workspace.preview(site.options)) == {}
    destroyed = site.workspace.destroy(site.options)
    assert destroyed.succeeded, destroyed.errors
    assert site.made("kubernetes") == []


def test_a_protected_volume_keeps_the_whole_stack_and_its_databases(site: Site) -> None:
    image = "localhost/novacron-databases:trial"
    values = environment("trial") | {"postgres": {"image": image}, "redis": {"image": image}}
    describe(site, values)
    first = site.up(policy_packs=[PACK])
    assert first.succeeded, first.errors
    assert first.policy_violations == []
    order = [step.urn.rsplit("::", 1)[-1] for step in first.steps]
    ordered = ["serving-llm-postgres-data", "serving-llm-postgres", "serving-llm-coordinator"]
    assert [order.index(name) for name in ordered] == sorted(order.index(name) for name in ordered)
    assert taken(site.workspace.preview(site.options)) == {}
    made = site.made("kubernetes")
    refused = site.workspace.destroy(site.options)
    assert not refused.succeeded
    assert "it is protected and cannot be deleted" in str(refused.errors)
    assert site.made("kubernetes") == made
    describe(site, environment("trial"))
    assert not site.up().succeeded  # without `postgres`, the volume would go as well
    values["postgres"] = {"image": image, "protected": False}
    describe(site, values)
    assert site.up().succeeded
    destroyed = site.workspace.destroy(site.options)
    assert destroyed.succeeded, destroyed.errors
    assert site.made("kubernetes") == []
