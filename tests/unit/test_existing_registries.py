"""Registries that exist: they are checked and used, and nothing of them is a managed resource."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.config.environments import change, find_problems
from tests.unit.existing_things import AWS, AZURE, GCP, HUB, answer, find_missing
from tests.unit.simulated_stack import deploy

REGISTRY_ID = f"{HUB}/providers/Microsoft.ContainerRegistry/registries/acmeimages"
PREFIXES = {
    "aws": "123456789012.dkr.ecr.us-west-2.amazonaws.com/acme",
    "gcp": "us-central1-docker.pkg.dev/acme-prod/images",
    "azure": REGISTRY_ID,
}
STACKS = {
    cloud: change(values, {f"regions.0.existing.{cloud}.registry": PREFIXES[cloud]})
    for cloud, values in {"aws": AWS, "gcp": GCP, "azure": AZURE}.items()
}
MANAGED = {"aws": "aws:ecr/", "gcp": "gcp:artifactregistry/", "azure": "azure-native:containerregistry:"}


def _list_registries(values: dict[str, Any], cloud: str) -> list[str]:
    first = values["regions"][0]["name"]
    resources = deploy(values).resources.values()
    return [item.name for item in resources if item.type.startswith(MANAGED[cloud]) and first in item.name]


@pytest.mark.parametrize(("cloud", "own"), [("aws", AWS), ("gcp", GCP), ("azure", AZURE)])
def test_nothing_of_a_registry_that_exists_is_a_resource(cloud: str, own: dict[str, Any]) -> None:
    assert _list_registries(own, cloud)
    assert _list_registries(STACKS[cloud], cloud) == []


def test_nodes_may_pull_from_an_azure_registry_that_exists_over_a_private_endpoint() -> None:
    resources = deploy(STACKS["azure"]).resources.values()
    using = {item.type for item in resources if REGISTRY_ID in str(item.inputs)}
    assert using == {"azure-native:authorization:RoleAssignment", "azure-native:network:PrivateEndpoint"}


ECR, ARTIFACTS = "aws:ecr/getRepository:getRepository", "gcp:artifactregistry/getRepository:getRepository"
ACR = "azure-native:containerregistry:getRegistry"
LACKING: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "no repository": ("aws", {ECR: None}, "no such repository acme/novacron/worker", "aws ecr describe-repositories"),
    "no Artifact Registry": ("gcp", {ARTIFACTS: None}, "no such repository in us-central1", "gcloud artifacts"),
    "another format": ("gcp", {ARTIFACTS: {"format": "MAVEN"}}, "its format is MAVEN", "Name another"),
    "no registry": ("azure", {ACR: None}, "no such registry", "az acr list --resource-group hub"),
    "a small tier": ("azure", {ACR: {"sku": {"name": "Basic", "tier": "Basic"}}}, "its tier is Basic", "--sku Premium"),
}


@pytest.mark.parametrize(("cloud", "answers", "rule", "fix"), LACKING.values(), ids=LACKING)
def test_a_registry_that_lacks_something_is_refused_before_anything_is_declared(
    cloud: str, answers: dict[str, Any], rule: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, answers)
    problem = find_missing(STACKS[cloud])[f"{cloud}.registry"]
    assert rule in problem.rule
    assert fix in problem.fix


@pytest.mark.parametrize(
    ("cloud", "value", "rule"),
    [
        ("aws", "acme/novacron", "ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME"),
        ("gcp", "gcr.io/acme", "LOCATION-docker.pkg.dev/PROJECT/REPOSITORY"),
        ("azure", "acme.azurecr.io", "resource id"),
        ("azure", REGISTRY_ID.replace(HUB.split("/")[2], "1" * 8 + HUB.split("/")[2][8:]), "azure_subscription_id"),
    ],
)
def test_registries_are_checked_offline(cloud: str, value: str, rule: str) -> None:
    values = change(STACKS[cloud], {f"regions.0.existing.{cloud}.registry": value})
    path = f"regions[{values['regions'][0]['name']}].existing.{cloud}.registry"
    assert rule in find_problems(values)[path].rule
