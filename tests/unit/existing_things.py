"""Environments on what exists: one for each cloud, and clouds that answer lookups as a test wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from novacron_infra.errors import ConfigurationError, Problem
from novacron_rehearsal.clouds.functions import call_function
from novacron_rehearsal.clouds.provider_config import ProviderConfig
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.values import PropertyMap

from tests.unit import simulated_stack
from tests.unit.config.environments import change, read_stack
from tests.unit.simulated_stack import Deployment, deploy

GOOGLE, AZURE_BASE = read_stack("prod-gcp", "examples/environments"), read_stack("prod-azure", "examples/environments")
SUBSCRIPTION = AZURE_BASE["accounts"]["azure_subscription_id"]
HUB = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/hub"
AWS_NETWORK: dict[str, Any] = {
    "vpc_id": "vpc-0a1b2c3d",
    "private_subnets": {f"us-west-2{zone}": f"subnet-0000000{zone}" for zone in "abc"},
    "public_subnets": {f"us-west-2{zone}": f"subnet-1111111{zone}" for zone in "abc"},
}
AWS = change(read_stack("dev"), {"regions.0.existing": {"aws": {"network": AWS_NETWORK}}})


def _in_every_region(
    base: dict[str, Any], cloud: str, describe: Callable[[str, str], dict[str, Any]]
) -> dict[str, Any]:
    changes = {
        f"regions.{index}.existing": {cloud: describe(region["name"], region["network"])}
        for index, region in enumerate(base["regions"])
    }
    return change(base, changes)


def _google(region: str, network: str) -> dict[str, Any]:
    fabric = f"10.{200 + int(network.split('.')[1])}.0.0/20"
    subnet = f"projects/acme-host/regions/{region}/subnetworks/nodes"
    names = {"network": "projects/acme-host/global/networks/shared", "subnet": subnet}
    return {"network": {**names, "pods_range": "gke-pods", "services_range": "gke-services", "fabric": fabric}}


def _azure(region: str, network: str) -> dict[str, Any]:
    del network
    return {
        "network": {
            "vnet_id": f"{HUB}/providers/Microsoft.Network/virtualNetworks/{region}",
            "nodes_subnet": "nodes",
            "api_server_subnet": "api",
            "endpoints_subnet": "endpoints",
            "private_dns_group": HUB,
        }
    }


GCP = _in_every_region(GOOGLE, "gcp", _google)
AZURE = _in_every_region(AZURE_BASE, "azure", _azure)
CLOUDS = {"aws": AWS, "gcp": GCP, "azure": AZURE}
KEY_ARN = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
GOOGLE_KEY = "projects/acme-keys/locations/us-central1/keyRings/models/cryptoKeys/storage"
AZURE_KEY = f"{HUB}/providers/Microsoft.KeyVault/vaults/acme-keys/keys/storage"
ACCOUNT_ID = f"{HUB}/providers/Microsoft.Storage/storageAccounts/acmemodels"
BUCKETS: dict[str, dict[str, Any]] = {
    "aws": change(AWS, {"regions.0.existing.aws.bucket": {"name": "acme-models", "key_arn": KEY_ARN}}),
    "gcp": change(GCP, {"regions.0.existing.gcp.bucket": "acme-models"}),
    "azure": change(
        AZURE, {"regions.0.existing.azure.container": f"{ACCOUNT_ID}/blobServices/default/containers/models"}
    ),
}
"""The same with the bucket of the first region."""
KEYS: dict[str, dict[str, Any]] = {
    "aws": change(AWS, {"regions.0.existing.aws.key_arn": KEY_ARN}),
    "gcp": change(GCP, {"regions.0.existing.gcp.key": GOOGLE_KEY}),
    "azure": change(AZURE, {"regions.0.existing.azure.key_id": AZURE_KEY}),
}
"""The same with the key of the first region."""


def answer(patch: pytest.MonkeyPatch, answers: Mapping[str, Mapping[str, Any] | None]) -> None:
    """Let simulated clouds answer lookups.

    Args:
        patch: undone after the test.
        answers: what a function returns, in addition to what the simulation does; None: the cloud finds nothing.
    """

    def call(token: str, arguments: PropertyMap, config: ProviderConfig) -> PropertyMap:
        if token in answers and answers[token] is None:
            raise RehearsalError(f"{token}: no such thing")
        return {**call_function(token, arguments, config), **(answers.get(token) or {})}

    patch.setattr(simulated_stack, "call_function", call)


def find_missing(values: dict[str, Any]) -> dict[str, Problem]:
    """Return the problems of what exists, by their paths below the first region's `existing`."""
    with pytest.raises(ConfigurationError) as caught:
        deploy(values)
    start = f"novacron:environment.regions[{values['regions'][0]['name']}].existing."
    return {item.path.removeprefix(start): item for item in caught.value.problems if item.path.startswith(start)}


def list_types(deployment: Deployment) -> set[str]:
    """Return the types of a deployment's resources."""
    return {item.type for item in deployment.resources.values()}
