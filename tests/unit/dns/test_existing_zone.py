"""DNS zones that exist: they are checked and used, and are not managed resources."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_infra.errors import ConfigurationError

from tests.unit.config.environments import change
from tests.unit.existing_things import AWS, AZURE, GCP, answer, list_types
from tests.unit.simulated_stack import deploy

TRAFFIC = {"domain": "llm.eu.acme.example", "zone": "eu.acme.example"}
STACKS: dict[str, dict[str, Any]] = {
    "aws": change(AWS, {"traffic": {**TRAFFIC, "existing_zone": "Z0123456789ABC"}}),
    "gcp": change(GCP, {"traffic": {**TRAFFIC, "existing_zone": "acme"}}),
    "azure": change(AZURE, {"traffic": {**TRAFFIC, "existing_zone": "dns"}}),
}
LOOKUPS = {
    "aws": "aws:route53/getZone:getZone",
    "gcp": "gcp:dns/getManagedZone:getManagedZone",
    "azure": "azure-native:dns:getZone",
}
ZONES = {"aws:route53/zone:Zone", "gcp:dns/managedZone:ManagedZone", "azure-native:dns:Zone"}


@pytest.mark.parametrize(
    ("cloud", "answers"),
    [
        ("aws", {"name": "eu.acme.example.", "nameServers": ["ns-1.awsdns-01.org"]}),
        ("aws", {"name": "acme.example."}),
        ("gcp", {"dnsName": "eu.acme.example."}),
        ("azure", {"nameServers": ["ns1-01.azure-dns.com."]}),
    ],
)
def test_names_are_added_to_a_zone_that_exists(
    cloud: str, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, {LOOKUPS[cloud]: answers})
    assert not list_types(deploy(STACKS[cloud])) & ZONES


LACKING: dict[str, tuple[str, dict[str, Any] | None, str, str]] = {
    "no hosted zone": ("aws", None, "no such hosted zone", "aws route53 list-hosted-zones"),
    "a private zone": ("aws", {"privateZone": True}, "it is private", "Name a public zone"),
    "another zone": (
        "aws",
        {"name": "acme.org."},
        "it is acme.org, which does not hold traffic.domain",
        "Name the zone",
    ),
    "the same ending": ("aws", {"name": "cme.example."}, "it is cme.example, which does not hold", "api.cme.example"),
    "no managed zone": ("gcp", None, "no such managed zone", "gcloud dns managed-zones list"),
    "a private managed zone": ("gcp", {"visibility": "private"}, "it is private", "Name a public zone"),
    "another managed zone": ("gcp", {"dnsName": "acme.org."}, "it is acme.org", "Name the zone of the domain"),
    "no Azure zone": ("azure", None, "no such zone eu.acme.example in this resource group", "az network dns zone list"),
    "a private Azure zone": ("azure", {"zoneType": "Private"}, "it is private", "Name a public zone"),
}


@pytest.mark.parametrize(("cloud", "answers", "rule", "fix"), LACKING.values(), ids=LACKING)
def test_a_zone_that_lacks_something_is_refused_before_anything_is_declared(
    cloud: str, answers: dict[str, Any] | None, rule: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, {LOOKUPS[cloud]: answers})
    with pytest.raises(ConfigurationError) as caught:
        deploy(STACKS[cloud])
    (problem,) = caught.value.problems
    assert problem.path == "novacron:environment.traffic.existing_zone"
    assert rule in problem.rule
    assert fix in problem.fix
