"""Every planned resource is valid for the discovery documents of Google Cloud and for the policy pack."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.gcp.gcp_api import problems
from tests.unit.gcp.gcp_calls import NOT_SENT, WITHOUT_DOCUMENT
from tests.unit.graph import Graph, changed, violations


def test_google_has_every_call_property_and_value(region: Graph) -> None:
    found = [problem for resource in region.custom for problem in problems(resource)]
    assert found == []


def test_it_checks_nearly_every_planned_property(region: Graph) -> None:
    planned = [(resource.type, name) for resource in region.custom for name in resource.inputs]
    unchecked = [item for item in planned if item[0] in WITHOUT_DOCUMENT or item[1] in NOT_SENT.get(item[0], set())]
    assert len(unchecked) / len(planned) < 0.05


def test_no_policy_is_violated(region: Graph) -> None:
    assert [message for resource in region.custom for message in violations(resource)] == []


POOL, CLUSTER = "gcp:container/nodePool:NodePool", "gcp:container/cluster:Cluster"
SQL, REPOSITORY = "gcp:sql/databaseInstance:DatabaseInstance", "gcp:artifactregistry/repository:Repository"
JOB, ALERT = "gcp:storage/transferJob:TransferJob", "gcp:monitoring/alertPolicy:AlertPolicy"


@pytest.mark.parametrize(
    ("type_", "name", "path", "value", "expected"),
    [
        (POOL, "tcpxo-nodes", "gpus", 8, "no call takes it"),
        (POOL, "tcpxo-nodes", "nodeConfig.gpus", 8, "(NodeConfig) has no member gpus"),
        (POOL, "tcpxo-nodes", "nodeConfig.taints.0.effect", "NoSchedule", "is none of"),
        (POOL, "tcpxo-nodes", "nodeConfig.guestAccelerators.0.count", "eight", "is not a number"),
        (POOL, "tcpxo-nodes", "nodeConfig.linuxNodeConfig.transparentHugepageEnabled", "NEVER", "is none of"),
        (POOL, "tcpxo-nodes", "nodeConfig.linuxNodeConfig.sysctls", ["a=b"], "is not an object"),
        (POOL, "tcpxo-nodes", "networkConfig.additionalNodeNetworkConfigs.0.vpc", "a", "has no member vpc"),
        (POOL, "tcpxo-nodes", "upgradeSettings.strategy", "MINIMAL", "is none of"),
        (POOL, "tcpxo-nodes", "nodeLocations", "us-central1-a", "is not a list"),
        (POOL, "spot-spot", "autoscaling.totalMaxNodeCount", 1.5, "is not whole"),
        (CLUSTER, "prod-cluster", "loggingConfig.enableComponents.0", "AUDIT", "is none of"),
        (CLUSTER, "prod-cluster", "privateClusterConfig.enablePrivateEndpoint", "yes", "is not a boolean"),
        (CLUSTER, "prod-cluster", "privateClusterConfig.publicEndpoint", "1.2.3.4", "it is output only"),
        (CLUSTER, "prod-cluster", "releaseChannel.channel", "WEEKLY", "is none of"),
        (POOL, "tcpxo-nodes", "cluster", "projects/p/locations/us-central1/clusters/prod", "does not match"),
        (POOL, "tcpxo-nodes", "location", "us_central1", "does not match"),
        (CLUSTER, "prod-cluster", "location", "US-Central1", "does not match"),
        ("gcp:redis/cluster:Cluster", "cache-cluster", "region", "us-central1/", "does not match"),
        ("gcp:compute/subnetwork:Subnetwork", "network-nodes", "region", "us_central1", "does not match"),
        ("gcp:compute/disk:Disk", "disk-model", "zone", "regions/us-central1", "does not match"),
        ("gcp:compute/routerNat:RouterNat", "network-nat", "router", "projects/p/network-nat", "does not match"),
        (
            "gcp:servicenetworking/connection:Connection",
            "network-google-services",
            "service",
            "services/a",
            "does not match",
        ),
        ("gcp:kms/cryptoKey:CryptoKey", "keys-storage", "purpose", "ENCRYPT", "is none of"),
        ("gcp:compute/subnetwork:Subnetwork", "network-nodes", "logConfig.aggregationInterval", "1m", "is none of"),
        ("gcp:compute/disk:Disk", "disk-model", "accessMode", "READ_MANY", "is none of"),
        ("gcp:storage/bucket:Bucket", "models-models", "labels", {"Environment": 1}, "is not a string"),
        ("gcp:filestore/instance:Instance", "shared-files", "tier", "FAST", "is none of"),
        (SQL, "state-server", "databaseVersion", "POSTGRES_21", "is none of"),
        (SQL, "state-server", "settings.ipConfiguration.sslMode", "REQUIRED", "is none of"),
        (SQL, "state-server", "settings.maintenanceWindow.day", "SUNDAY", "is not a number"),
        (SQL, "state-server", "settings.backupConfiguration.pitr", True, "has no member pitr"),
        ("gcp:redis/cluster:Cluster", "cache-cluster", "nodeType", "REDIS_LARGE", "is none of"),
        (REPOSITORY, "images-repository", "cleanupPolicies.0.condition.tagState", "NONE", "is none of"),
        ("gcp:compute/address:Address", "door-ingress", "networkTier", "GLOBAL", "is none of"),
        (JOB, "copies-to-us-east1", "schedule.repeatInterval", 3600, "is not a string"),
        (JOB, "copies-to-us-east1", "transferSpec.transferOptions.overwriteWhen", "OLDER", "is none of"),
        (ALERT, "copies-alert-us-east1", "conditions.0.conditionThreshold.comparison", ">", "is none of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_check_finds_what_google_would_refuse(
    region: Graph, type_: str, name: str, path: str, value: Any, expected: str
) -> None:
    (found, *_) = problems(changed(region.one(type_, name), path, value))
    assert expected in found


def test_the_policies_find_what_they_are_for(region: Graph) -> None:
    pool, cluster = region.one(POOL, "reservation-nodes"), region.one(CLUSTER)
    assert "gpu-taint-and-toleration" in violations(changed(pool, "nodeConfig.taints", []))[0]
    assert "customer-key-encryption" in violations(changed(pool, "nodeConfig.bootDiskKmsKey", None))[0]
    opened = changed(cluster, "privateClusterConfig.enablePrivateEndpoint", False)
    assert "private-api-endpoint" in violations(opened)[0]
