"""Alarms of production reach somebody in each of its clouds."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from novacron_infra.config import load

from tests.unit.config.environments import AZURE, PROD, SMALL, find_problems, read_stack

EXAMPLES = "examples/environments"
PRODUCTIONS = {
    "aws": PROD,
    "gcp": read_stack("prod-gcp", EXAMPLES),
    "azure": AZURE,
    "mixed": read_stack("prod-mixed", EXAMPLES),
}
ALL = {"alarms.aws_topic_arns", "alarms.google_channels", "alarms.azure_action_groups"}


@pytest.mark.parametrize(
    ("cloud", "missing"),
    [
        ("aws", {"alarms.aws_topic_arns"}),
        ("gcp", {"alarms.google_channels"}),
        ("azure", {"alarms.azure_action_groups"}),
        ("mixed", ALL),
    ],
)
@pytest.mark.parametrize("alarms", [None, {}], ids=["left out", "empty"])
def test_production_without_a_receiver_is_refused_for_each_of_its_clouds(
    cloud: str, missing: set[str], alarms: dict[str, Any] | None
) -> None:
    values = copy.deepcopy(PRODUCTIONS[cloud])
    del values["alarms"]
    if alarms is not None:
        values["alarms"] = alarms
    assert set(find_problems(values)) == missing


def test_an_empty_list_of_receivers_is_refused_and_shown() -> None:
    found = find_problems(PROD | {"alarms": {"aws_topic_arns": []}})["alarms.aws_topic_arns"]
    assert str(found) == (
        "novacron:environment.alarms.aws_topic_arns = []: production needs a receiver of its alarms on AWS. "
        "Name an SNS topic in us-west-2, such as arn:aws:sns:us-west-2:123456789012:alarms"
    )


def test_the_topic_that_is_suggested_is_in_the_primary_region() -> None:
    found = find_problems(PROD | {"alarms": {}, "primary": "us-east-1"})["alarms.aws_topic_arns"]
    assert "arn:aws:sns:us-east-1:123456789012:alarms" in found.fix


def test_a_receiver_in_another_cloud_does_not_count() -> None:
    found = find_problems(PROD | {"alarms": {"google_channels": ["projects/acme/notificationChannels/1"]}})
    assert set(found) == {"alarms.aws_topic_arns"}


def test_other_environments_need_no_receiver() -> None:
    assert "alarms" not in SMALL
    load(SMALL)


@pytest.mark.parametrize(
    ("stack", "folder"), [("prod", "."), ("prod-gcp", EXAMPLES), ("prod-azure", EXAMPLES), ("prod-mixed", EXAMPLES)]
)
def test_productions_of_this_project_have_receivers(stack: str, folder: str) -> None:
    load(read_stack(stack, folder))
