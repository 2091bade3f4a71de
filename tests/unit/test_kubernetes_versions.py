"""Kubernetes versions near and after the end of their support, on stated dates."""

from __future__ import annotations

import datetime as dt

import pytest
from novacron_infra.catalog import Cloud, load_kubernetes_lists
from novacron_infra.clock import TODAY_VARIABLE, read_today
from novacron_infra.config import CloudEnvironment, Clusters, load
from novacron_infra.errors import NovaCronError
from novacron_infra.limits.versions import WARNING_DAYS, check_version, describe_end_of_support
from novacron_infra.plan import plan_environment

from tests.unit.config.environments import change, find_problems, read_stack

EXAMPLES = "examples/environments"
TODAY = dt.date(2026, 11, 30)
"""The date of all tests, unless they state another one."""
END_ON_EKS, END_ON_GKE = dt.date(2026, 12, 2), dt.date(2026, 10, 1)
DAY = dt.timedelta(days=1)


def find_refusal(version: str, cloud: Cloud, today: dt.date) -> str | None:
    found = list(check_version("clusters.version", version, cloud, today))
    return str(found[0]) if found else None


@pytest.mark.parametrize(
    ("version", "cloud", "today", "days"),
    [
        ("1.34", Cloud.AWS, END_ON_EKS - WARNING_DAYS * DAY - DAY, None),
        ("1.34", Cloud.AWS, END_ON_EKS - WARNING_DAYS * DAY, "in 60 days"),
        ("1.34", Cloud.AWS, TODAY, "in 2 days"),
        ("1.34", Cloud.AWS, END_ON_EKS - DAY, "tomorrow"),
        ("1.34", Cloud.AWS, END_ON_EKS, "today"),
        ("1.34", Cloud.GCP, END_ON_GKE, "today"),
        ("1.35", Cloud.AWS, TODAY, None),
        ("1.35", Cloud.AWS, dt.date(2027, 2, 1), "in 54 days"),
        ("1.35", Cloud.GCP, dt.date(2027, 4, 10), "tomorrow"),
        ("1.36", Cloud.AWS, dt.date(2030, 1, 1), None),
        ("1.34", Cloud.AZURE, TODAY, None),
    ],
)
def test_the_plan_warns_of_the_end_of_support(version: str, cloud: Cloud, today: dt.date, days: str | None) -> None:
    warning = describe_end_of_support("clusters.version", version, cloud, today)
    assert (warning is None) == (days is None)
    if warning is not None:
        assert f", {days}. Then it creates no cluster with this version" in warning
        assert "0.60 USD/h for each cluster in place of 0.10" in warning
    assert find_refusal(version, cloud, today) is None


@pytest.mark.parametrize(
    ("version", "cloud", "today", "use"),
    [
        ("1.34", Cloud.AWS, END_ON_EKS + DAY, "Use 1.35 or 1.36"),
        ("1.34", Cloud.GCP, END_ON_GKE + DAY, "Use 1.35 or 1.36"),
        ("1.34", Cloud.GCP, TODAY, "Use 1.35 or 1.36"),
        ("1.33", Cloud.GCP, dt.date(2026, 9, 1), "Use 1.34, 1.35 or 1.36"),
        ("1.35", Cloud.AWS, dt.date(2027, 3, 28), "Use 1.36"),
    ],
)
def test_a_version_after_its_end_is_refused_with_those_that_follow(
    version: str, cloud: Cloud, today: dt.date, use: str
) -> None:
    refusal = find_refusal(version, cloud, today)
    assert refusal is not None
    first, *details = refusal.splitlines()
    assert "no cluster is created with it" in first
    assert first.endswith(use)
    assert "0.60 USD/h for each cluster in place of 0.10" in details[0]
    assert describe_end_of_support("clusters.version", version, cloud, today) is None


def test_a_plan_of_a_stated_day_warns_for_each_of_its_clouds() -> None:
    config = load(read_stack("prod-mixed", EXAMPLES))
    assert isinstance(config, CloudEnvironment)
    warnings = plan_environment(config, dt.date(2027, 3, 1)).warnings
    assert [text.partition(" of ")[2].partition(" ends")[0] for text in warnings if "clusters.version" in text] == [
        "EKS",
        "GKE's regular channel",
    ]
    assert not any("clusters.version" in text for text in plan_environment(config, TODAY).warnings)


def test_an_environment_names_the_end_of_support_under_its_key() -> None:
    values = change(read_stack("prod-gcp", EXAMPLES), {"clusters.version": "1.34"})
    found = find_problems(values)["clusters.version"]
    assert "GKE's regular channel ended on 2026-10-01" in found.rule


def test_every_cloud_supports_the_default_for_three_months() -> None:
    default = Clusters(admins=("a",)).version
    for cloud, found in load_kubernetes_lists().items():
        for day in (TODAY, TODAY + 90 * DAY):
            assert find_refusal(default, cloud, day) is None, found.service


def test_the_date_is_that_of_the_clock_unless_the_environment_states_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TODAY_VARIABLE, "2027-02-28")
    assert read_today() == dt.date(2027, 2, 28)
    monkeypatch.delenv(TODAY_VARIABLE)
    assert abs(read_today() - dt.datetime.now(dt.timezone.utc).date()) <= DAY
    monkeypatch.setenv(TODAY_VARIABLE, "tomorrow")
    with pytest.raises(NovaCronError, match="NOVACRON_TODAY is 'tomorrow'; it must be a date such as 2026-11-30"):
        read_today()
