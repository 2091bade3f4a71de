"""Arguments of logs, keys, network and cluster that are rejected before any resource is registered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from novacron_infra.azure import AksCluster, AzureKeys, AzureLogs, AzureNetwork, MaintenanceWindow
from novacron_infra.errors import ArgumentError

from tests.unit.azure import samples
from tests.unit.azure.graph import declare


def logs(name: str = "logs", **changes: Any) -> None:
    AzureLogs(name, replace(samples.LOGS, **changes))


def keys(name: str = "keys", **changes: Any) -> None:
    AzureKeys(name, replace(samples.KEYS, **changes))


def network(name: str = "network", **changes: Any) -> None:
    AzureNetwork(name, replace(samples.NETWORK, **changes))


def cluster(name: str = "prod", **changes: Any) -> None:
    AksCluster(name, replace(samples.CLUSTER, **changes))


@pytest.mark.parametrize(
    ("component", "changes", "message"),
    [
        (logs, {"retention_days": 7}, "logs.retention_days = 7: Log Analytics keeps 30 to 730 days. Use 30"),
        (logs, {"region": "West US 2"}, "logs.region = West US 2: Azure writes no region like this"),
        (keys, {"rotation_days": 6}, "keys.rotation_days = 6: Key Vault takes 7 to 730 days. Use 7"),
        (keys, {"deletion_window_days": 91}, "keys.deletion_window_days = 91: Key Vault takes 7 to 90 days. Use 90"),
        (keys, {"vault": "novacron--prod"}, "keys.vault = novacron--prod: no vault has such a name"),
        (keys, {"vault": "v" * 25}, "keys.vault = " + "v" * 25),
        (keys, {"name": "x" * 65}, "it has 65 characters, and names made from it may have 46"),
        (keys, {"name": "Prod_1"}, "name = Prod_1: names are lower-case letters, digits and -"),
        (
            network,
            {"cidr": IPv4Network("8.8.0.0/16")},
            "network.cidr = 8.8.0.0/16: it is not in a private range",
        ),
        (
            network,
            {"cidr": IPv4Network("10.0.0.0/24")},
            "network.cidr = 10.0.0.0/24: a region's network on azure is /16 to /20",
        ),
        (network, {"public_ports": (443, 0)}, "network.public_ports = 0: it is not a TCP port"),
        (network, {"flow_log_days": 366}, "network.flow_log_days = 366: flow logs are kept 1 to 365 days"),
        (
            network,
            {"flow_log_account": "flow-logs"},
            "network.flow_log_account = flow-logs: a storage account has 3 to 24",
        ),
        (
            cluster,
            {"public_cidrs": (IPv4Network("0.0.0.0/0"),)},
            "prod.public_cidrs.0 = 0.0.0.0/0: it is wider than /8",
        ),
        (
            cluster,
            {"public_cidrs": (IPv4Network("203.0.113.0/24"), IPv4Network("128.0.0.0/1"))},
            "prod.public_cidrs.1 = 128.0.0.0/1",
        ),
        (cluster, {"admin_group_ids": ()}, "prod.admin_group_ids = none: no one could sign in"),
        (
            cluster,
            {"admin_group_ids": ("admins",)},
            "prod.admin_group_ids.0 = admins: it is not the object id of an Entra group",
        ),
        (
            cluster,
            {"kubernetes_version": "1.35.2"},
            "prod.kubernetes_version = 1.35.2: it names a patch, which the cloud chooses",
        ),
        (cluster, {"system_nodes": 0}, "prod.system_nodes = 0: AKS needs a node for its own pods"),
        (
            cluster,
            {"maintenance": MaintenanceWindow(start="24:00")},
            "prod.maintenance.start = 24:00: it is not a time",
        ),
        (cluster, {"maintenance": MaintenanceWindow(hours=3)}, "prod.maintenance.hours = 3: AKS takes windows of 4"),
        (
            cluster,
            {"service_cidr": IPv4Network("10.0.128.0/20")},
            "prod.service_cidr = 10.0.128.0/20: it overlaps network_cidr 10.0.0.0/16",
        ),
        (
            cluster,
            {"pod_cidr": IPv4Network("172.20.0.0/20")},
            "prod.pod_cidr = 172.20.0.0/20: it overlaps service_cidr 172.20.0.0/16",
        ),
        (
            cluster,
            {"service_cidr": IPv4Network("172.20.0.0/30")},
            "prod.service_cidr = 172.20.0.0/30: it has fewer than 16 addresses",
        ),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else str(getattr(value, "__name__", "")),
)
def test_bad_arguments_are_refused_before_anything_exists(
    component: Callable[..., None], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError) as error:
        declare(lambda _: component(**changes))
    assert message in str(error.value)
    assert len(error.value.problems) == 1


def test_all_problems_of_arguments_are_reported_together() -> None:
    with pytest.raises(ArgumentError, match="the arguments have 3 problems") as error:
        network("N", cidr=IPv4Network("8.8.0.0/16"), flow_log_account="F")
    assert [problem.path for problem in error.value.problems] == ["name", "N.flow_log_account", "N.cidr"]
