"""Node configuration: the golden files, and AKS's own limits."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from novacron_infra.azure.node_config import build_kubelet_config, build_linux_os_config, build_node_config
from novacron_infra.catalog import Cloud, Machine, find_machine, load_machines
from pulumi_azure_native import containerservice

GOLDEN = Path(__file__).parents[1] / "golden" / "azure"
AZURE = [machine_type.name for machine_type in load_machines().values() if machine_type.cloud is Cloud.AZURE]
MACHINES = ("Standard_ND96isr_H100_v5", "Standard_D64s_v5")
"""One with GPUs and one without: the configuration depends on nothing else of a machine."""

# AKS custom node configuration reference, Linux sysctls, read on 2026-11-25.
LIMITS = {
    "net_core_rmem_max": (212992, 134217728),
    "net_core_wmem_max": (212992, 134217728),
    "net_core_netdev_max_backlog": (1000, 3240000),
}


def rendered(machine_type: Machine) -> str:
    return yaml.safe_dump(build_node_config(machine_type), sort_keys=False)


@pytest.mark.parametrize("name", MACHINES)
def test_golden(name: str) -> None:
    expected = (GOLDEN / f"node-config-{name}.yaml").read_text(encoding="utf-8")
    assert rendered(find_machine(name)) == expected, "run make golden"


def test_every_sysctl_is_within_what_aks_takes() -> None:
    sysctls = build_linux_os_config()["sysctls"]
    assert set(sysctls) == set(LIMITS)
    for name, value in sysctls.items():
        low, high = LIMITS[name]
        assert low <= value <= high
    containerservice.SysctlConfigArgs(**sysctls)  # refuses names that the SDK does not have


@pytest.mark.parametrize("name", AZURE)
def test_only_nodes_with_gpus_pin_cores(name: str) -> None:
    config = build_kubelet_config(find_machine(name))
    pinned = config.get("cpu_manager_policy") == "static"
    assert pinned == (find_machine(name).gpu is not None)
    assert config["image_gc_low_threshold"] < config["image_gc_high_threshold"]


def test_huge_pages_are_off() -> None:
    config = build_linux_os_config()
    assert (config["transparent_huge_page_enabled"], config["transparent_huge_page_defrag"]) == ("never", "never")
