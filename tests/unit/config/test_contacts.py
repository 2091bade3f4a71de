"""Contacts: one place for the owner of resources and for addresses."""

from __future__ import annotations

import pytest
from novacron_infra.config import load

from tests.unit.config.environments import AZURE, PROD, SMALL, find_problems, plan, read_stack
from tests.unit.simulated_stack import deploy

GCP = read_stack("prod-gcp", "examples/environments")
ADDRESSES = ["gpu@example.com"]


def test_the_team_owns_every_resource_that_has_tags() -> None:
    deployed = deploy(read_stack("dev") | {"contacts": {"team": "search-platform"}})
    found = [item.inputs.get("tags") for item in deployed.resources.values()]
    owners = [tags.get("Owner") for tags in found if isinstance(tags, dict)]
    assert len(owners) > 20
    assert set(owners) == {"search-platform"}


@pytest.mark.parametrize(
    ("values", "team", "rule"),
    [
        (PROD, "search*", "a tag's value on AWS"),
        (GCP, "search.platform", "a label's value on Google Cloud"),
        (AZURE, "x" * 257, "the value has 257 characters, and Azure allows 256"),
    ],
)
def test_a_team_that_its_cloud_refuses_as_a_tag_is_refused(values: dict[str, object], team: str, rule: str) -> None:
    (found,) = find_problems(values | {"contacts": {"team": team}}).items()
    assert found[0] == "contacts.team"
    assert rule in found[1].rule


@pytest.mark.parametrize("name", ["Owner", "owner"])
def test_a_tag_cannot_name_another_owner(name: str) -> None:
    found = find_problems(SMALL | {"contacts": {"team": "search"}, "tags": {name: "research"}})
    assert str(found[f"tags.{name}"]) == (
        f"novacron:environment.tags.{name} = research: contacts.team sets the tag Owner. Remove one of them"
    )
    load(SMALL | {"tags": {name: "research"}})


def test_the_owner_counts_as_a_tag() -> None:
    tags = {f"tag-{number}": "x" for number in range(12)}
    load(AZURE | {"tags": tags})
    found = find_problems(AZURE | {"tags": tags, "contacts": {"team": "search"}})
    assert found["tags"].fix == "Keep at most 11"


@pytest.mark.parametrize(
    ("stated", "expected"), [({}, ADDRESSES), ({"alert_emails": ["s@example.com"]}, ["s@example.com"])]
)
def test_findings_go_to_the_contacts_unless_others_are_named(stated: dict[str, object], expected: list[str]) -> None:
    security = {"threat_detection": {"aws": "managed"} | stated}
    planned = plan(read_stack("dev") | {"contacts": {"emails": ADDRESSES}, "security": security})
    assert list(planned.config.threat_alert_emails) == expected


def test_an_empty_list_of_addresses_sends_findings_to_no_one() -> None:
    security = {"threat_detection": {"aws": "managed", "alert_emails": []}}
    planned = plan(read_stack("dev") | {"contacts": {"emails": ADDRESSES}, "security": security})
    assert planned.config.threat_alert_emails == ()


def test_contacts_need_no_detector() -> None:
    load(SMALL | {"contacts": {"emails": ADDRESSES}})
    assert "contacts.emails.0" in find_problems(SMALL | {"contacts": {"emails": ["gpu"]}})
