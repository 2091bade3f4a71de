"""Logs of containers on simulated clouds: turned on in an environment that exists, for the cloud and for Loki."""

from __future__ import annotations

from typing import Any

from tests.rehearsal.clouds.conftest import Site, taken
from tests.rehearsal.clouds.test_cluster_add_ons import PACK, with_add_ons
from tests.rehearsal.clouds.test_environment import changes, describe, environment

LOKI = {"url": "https://loki.example.com"}


def test_logs_are_added_to_an_environment_that_exists_and_change_nothing_else(site: Site) -> None:
    values: dict[str, Any] = with_add_ons(environment("dev"))
    describe(site, values)
    assert site.up().succeeded
    describe(site, values | {"monitoring": {"logs": {"destination": "cloud"}}})
    planned = changes(site.workspace.preview(site.options))
    assert {step for step, _ in planned} == {"create"}
    names = {name.removeprefix("dev-us-west-2-") for _, name in planned}
    assert {"containers", "containers-role", "add-ons-fluent-bit", "add-ons-container-logs-namespace"} <= names
    second = site.up(policy_packs=[PACK])
    assert second.succeeded, second.errors
    assert second.policy_violations == []
    assert taken(site.workspace.preview(site.options)) == {}
    describe(site, values | {"monitoring": {"logs": {"destination": "loki", "loki": LOKI}}})
    moved = {name.removeprefix("dev-us-west-2-"): step for step, name in changes(site.workspace.preview(site.options))}
    assert moved["add-ons-fluent-bit"] == "update"
    assert moved["containers"] == "delete"
