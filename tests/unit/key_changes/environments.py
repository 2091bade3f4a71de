"""Environments in which every key of the configuration matters, for comparing an environment with a changed one."""

from __future__ import annotations

import functools
from typing import Any

from tests.unit.config.environments import change
from tests.unit.resource_names import SERVING
from tests.unit.test_identity import make_environment, put_a_region_in_another_cloud

CLOUDS = ("aws", "gcp", "azure")
_HUB = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/hub"
_ACCOUNT = f"{_HUB}/providers/Microsoft.Storage/storageAccounts/acmemodels"
_EXISTING: dict[str, dict[str, Any]] = {
    "aws": {
        "network": {
            "vpc_id": "vpc-0a1b2c3d",
            "private_subnets": {f"us-west-2{zone}": f"subnet-0000000{zone}" for zone in "abc"},
            "public_subnets": {f"us-west-2{zone}": f"subnet-1111111{zone}" for zone in "abc"},
        },
        "bucket": {
            "name": "acme-models",
            "key_arn": "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000",
        },
        "registry": "123456789012.dkr.ecr.us-west-2.amazonaws.com/acme",
        "key_arn": "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000",
    },
    "gcp": {
        "network": {
            "network": "projects/acme-host/global/networks/shared",
            "subnet": "projects/acme-host/regions/us-west1/subnetworks/nodes",
            "pods_range": "gke-pods",
            "services_range": "gke-services",
            "fabric": "10.201.0.0/20",
        },
        "bucket": "acme-models",
        "registry": "us-west1-docker.pkg.dev/acme-prod/images",
        "key": "projects/acme-keys/locations/us-west1/keyRings/models/cryptoKeys/storage",
    },
    "azure": {
        "network": {
            "vnet_id": f"{_HUB}/providers/Microsoft.Network/virtualNetworks/westus3",
            "nodes_subnet": "nodes",
            "api_server_subnet": "api",
            "endpoints_subnet": "endpoints",
            "private_dns_group": _HUB,
        },
        "container": f"{_ACCOUNT}/blobServices/default/containers/models",
        "registry": f"{_HUB}/providers/Microsoft.ContainerRegistry/registries/acmeimages",
        "key_id": f"{_HUB}/providers/Microsoft.KeyVault/vaults/acme-keys/keys/storage",
    },
}
_DATABASES: dict[str, dict[str, Any]] = {
    "aws": {
        "postgres": {
            "arn": "arn:aws:rds:us-west-2:123456789012:db:acme",
            "secret_arn": "arn:aws:secretsmanager:us-west-2:123456789012:secret:acme/postgres-a1b2c3",
        },
        "redis": {
            "arn": "arn:aws:elasticache:us-west-2:123456789012:replicationgroup:acme",
            "secret_arn": "arn:aws:secretsmanager:us-west-2:123456789012:secret:acme/redis-a1b2c3",
        },
    },
    "gcp": {
        "postgres": {"instance": "projects/acme-data/instances/acme", "secret": "projects/acme-dev/secrets/postgres"},
        "redis": "projects/acme-dev/locations/us-west1/clusters/acme",
    },
    "azure": {
        "postgres": {
            "server_id": f"{_HUB}/providers/Microsoft.DBforPostgreSQL/flexibleServers/acme",
            "secret_id": f"{_HUB}/providers/Microsoft.KeyVault/vaults/acme-logins/secrets/postgres",
        },
        "redis": {
            "cluster_id": f"{_HUB}/providers/Microsoft.Cache/redisEnterprise/acme",
            "secret_id": f"{_HUB}/providers/Microsoft.KeyVault/vaults/acme-logins/secrets/redis",
        },
    },
}


@functools.cache
def make_base(name: str, cloud: str) -> dict[str, Any]:
    """Return an environment.

    Args:
        name: `serving`: one region with the serving stack. `one-region` and `two-regions`: without it. `existing`: one
            region on what exists. `databases`: one region with the serving stack, on databases that exist.
            `multi-cloud`: a region in another cloud.
        cloud: its cloud.

    Raises:
        KeyError: another name.
    """
    two = make_environment(cloud)
    one = two | {"regions": two["regions"][:1]}
    serving = change(one, SERVING | {"workers.resources.cpu_request": 11})
    network = {"network": _EXISTING[cloud]["network"]}
    return {
        "serving": lambda: serving,
        "one-region": lambda: one,
        "two-regions": lambda: two,
        "existing": lambda: change(one, {"regions.0.existing": {cloud: _EXISTING[cloud]}}),
        "databases": lambda: change(serving, {"regions.0.existing": {cloud: network | _DATABASES[cloud]}}),
        "multi-cloud": lambda: put_a_region_in_another_cloud(two),
    }[name]()
