"""Names of resources: two environments in one account share none, and the longest names keep each cloud's limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from novacron_infra.config.sections.platform import LONGEST_ENVIRONMENT_NAME
from novacron_rehearsal.clouds import cloud_data
from novacron_rehearsal.clouds.outputs import has_generated_name
from novacron_rehearsal.values import Secret

from tests.unit.aws import aws_api
from tests.unit.azure import azure_api
from tests.unit.config.environments import read_stack
from tests.unit.gcp import gcp_api, gcp_calls
from tests.unit.graph import Registered
from tests.unit.simulated_stack import Resource, deploy

EXAMPLES = "examples/environments"
PINNED = {"repository": "registry.example.com/a", "tag": "v1", "digest": "sha256:" + "0" * 64}
STACKS = {
    "aws": ("staging", ".", {"aws_account_id": "123456789012"}, "managed"),
    "gcp": ("prod-gcp", EXAMPLES, {"google_project": "example-prod"}, "existing"),
    "azure": ("prod-azure", EXAMPLES, {"azure_subscription_id": "00000000-0000-0000-0000-000000000000"}, "managed"),
}
LONGEST_REGIONS = {"aws": "ap-northeast-1", "gcp": "northamerica-northeast1", "azure": "newregionsofazure1"}
PROBLEMS: dict[str, Callable[[Registered], list[str]]] = {
    "aws": aws_api.problems,
    "gcp": gcp_api.problems,
    "azure": azure_api.problems,
}
DESCRIBED = {
    "aws": set(aws_api.CALLS),
    "gcp": set(gcp_calls.CALLS),
    "azure": {f"azure-native:{type_}" for type_ in azure_api.MODELS},
}
"""The types that a cloud's API description has. It lacks those of global DNS, whose names have rules of their own."""


def environment(cloud: str, name: str, bucket: str, domain: str) -> dict[str, Any]:
    """Return an environment with everything that the stack can declare, under a name, a bucket and a domain."""
    stack, folder, accounts, detector = STACKS[cloud]
    values = read_stack(stack, folder)
    own = {image: PINNED | {"repository": f"novacron/{image}"} for image in ("coordinator", "worker")}
    others = dict.fromkeys(("nvidia_device_plugin", "efa_device_plugin", "tcpx_daemon", "tcpxo_daemon"), PINNED)
    values |= {
        "environment": name,
        "kind": "staging",
        "accounts": accounts,
        "clusters": values["clusters"] | {"add_ons": True, "serving": True},
        "images": own | others,
        "traffic": {"domain": domain},
        "security": {"threat_detection": {cloud: detector, "alert_emails": ["security@example.com"]}},
    }
    values["model"]["store"]["bucket"] = bucket
    values["regions"] = values["regions"][:2]
    return values


def cloud_resources(values: dict[str, Any], cloud: str) -> list[Resource]:
    """Return the resources of an environment that are in the account, not in a cluster."""
    package = "azure-native" if cloud == "azure" else cloud
    return [item for item in deploy(values).resources.values() if item.type.startswith(f"{package}:")]


def generated_name(resource: Resource) -> str | None:
    """Return the name that the provider generated, or None if the program gives one."""
    if not has_generated_name(resource.type, resource.inputs):
        return None
    return str(resource.inputs[cloud_data.find_resource(resource.type).name])


def registered(resource: Resource) -> Registered:
    """Return a resource as the checks of a cloud's API want it: they add most generated names themselves."""
    name = cloud_data.find_resource(resource.type).name
    is_generated = has_generated_name(resource.type, resource.inputs) and name not in azure_api.IN_PATH
    generated = {name} if is_generated else set[str]()
    inputs = {
        key: _plain(value) for key, value in resource.inputs.items() if key not in generated and key != "__defaults"
    }
    return Registered(
        type=resource.type,
        name=resource.name,
        inputs=inputs,
        secrets=(),
        parent="",
        provider="",
        protect=resource.protect,
        ignore_changes=(),
        delete_before_replace=False,
        dependencies=(),
        typed_dependencies=(),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return _plain(value.value)
    if isinstance(value, dict):
        members: dict[str, Any] = value
        return {key: _plain(item) for key, item in members.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("cloud", STACKS)
def test_the_longest_names_keep_the_limits_of_the_cloud(cloud: str) -> None:
    bucket = "account/models" if cloud == "azure" else "models"
    values = environment(cloud, "n" * LONGEST_ENVIRONMENT_NAME, bucket, "api.example.com")
    first = values["regions"][0]
    region = LONGEST_REGIONS[cloud]
    zones = [zone.replace(first["name"], region) for zone in first.get("zones", ())]
    values["regions"][0] = first | {"name": region, "zones": zones, "new": True}
    resources = cloud_resources(values, cloud)
    checked = [registered(item) for item in resources if item.type in DESCRIBED[cloud]]
    assert len(checked) > 100
    found = [problem for item in checked for problem in PROBLEMS[cloud](item)]
    # Properties that only global DNS sets are not described.
    assert [problem for problem in found if "no call takes it" not in problem] == []
    generated = {name: item.type for item in resources if (name := generated_name(item)) is not None}
    assert [name for name, type_ in generated.items() if len(name) > LONGEST_GENERATED.get(type_, 63)] == []


LONGEST_GENERATED = {"azure-native:managedidentity:UserAssignedIdentity": 128}
"""Characters, where they are more than the 63 of most names. The API descriptions have the limits that are lower."""
ONE_FOR_AN_ACCOUNT = {"aws:guardduty/detector:Detector", "azure-native:resources:DeploymentAtSubscriptionScope"}
"""Threat detection, which one environment manages, and which others use with `existing`."""


@pytest.mark.parametrize("cloud", STACKS)
def test_two_environments_of_one_kind_in_one_account_and_region_share_no_name(cloud: str) -> None:
    found: list[dict[tuple[str, str, str], Resource]] = []
    stores = ("first/models", "second/models") if cloud == "azure" else ("first", "second")
    for name, bucket in zip(("staging", "staging-2"), stores, strict=True):
        values = environment(cloud, name, bucket, f"api.{name}.example.com")
        if found:
            values["security"]["threat_detection"] = {cloud: "existing"}
        found.append({(item.type, item.region, item.id): item for item in cloud_resources(values, cloud)})
    first, second = found
    assert len(second) > 100
    assert not ONE_FOR_AN_ACCOUNT & {item.type for item in second.values()}
    # Grants of Google Cloud's own accounts stay when a stack is destroyed, because stacks share them.
    assert [key for key in first.keys() & second.keys() if not second[key].retain_on_delete] == []
