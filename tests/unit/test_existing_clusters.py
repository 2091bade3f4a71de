"""Clusters that exist: they are checked, get node pools and the serving stack, and are not managed resources."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_infra.config import CloudEnvironment

from tests.unit.config.environments import change
from tests.unit.existing_things import AWS, AZURE, HUB, GCP, answer, find_missing, list_types
from tests.unit.simulated_stack import deploy
from tests.unit.test_existing_databases import SERVING
STACKS = {"azure": change(AZURE, {"regions.0.existing.azure.cluster_id": f"{HUB}/providers/Microsoft.ContainerService/managedClusters/acme", "regions.0.existing.azure.network.api_server_subnet": None} | SERVING), "gcp": change(GCP, {"regions.0.existing.gcp.cluster": f"projects/{GCP['accounts']['google_project']}/locations/us-central1/clusters/acme"} | SERVING), "aws": change(AWS, {"accounts": {"aws_account_id": "123456789012"}, "regions.0.existing.aws.cluster": "acme"} | SERVING)}


@pytest.mark.parametrize("cloud", STACKS)
def test_a(cloud: str) -> None:
    d = deploy(STACKS[cloud])
    for i in d.resources.values(): print(i.type, i.name)
    assert not deploy(STACKS[cloud], d).steps

