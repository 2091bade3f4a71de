"""Node configurations: the golden files, and their validity for the API's discovery document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from novacron_infra.catalog import CatalogError, Cloud, Machine, find_machine, load_machines
from novacron_infra.gcp.node_config import (
    LOCAL_SSD_GB,
    choose_boot_disk_type,
    find_accelerator,
    find_local_ssds,
    render_system_config,
)

from tests.unit.gcp.gcp_api import document

GOLDEN = Path(__file__).parents[1] / "golden" / "gcp"
MACHINES = ["c2-standard-60", "c2-standard-30", "a2-ultragpu-8g", "a3-highgpu-8g", "a3-ultragpu-8g"]
GOOGLE = [machine for machine in load_machines().values() if machine.cloud is Cloud.GCP]


@pytest.mark.parametrize("name", MACHINES)
def test_golden(name: str) -> None:
    expected = (GOLDEN / f"node-config-{name}.yaml").read_text(encoding="utf-8")
    assert render_system_config(find_machine(name)) == expected, "run make golden"


@pytest.mark.parametrize("machine", GOOGLE, ids=[machine.name for machine in GOOGLE])
def test_gke_lets_one_set_every_sysctl(machine: Machine) -> None:
    linux = yaml.safe_load(render_system_config(machine))["linuxConfig"]
    schema = document("container.v1")["schemas"]["LinuxNodeConfig"]["properties"]
    allowed = set(re.findall(r"[a-z]+(?:[._-][a-z0-9_-]+)+", schema["sysctls"]["description"]))
    assert {"vm.swappiness", "net.core.somaxconn"} < allowed
    assert set(linux["sysctl"]) <= allowed
    assert linux["sysctl"]["net.core.rmem_max"] == str(256 * 1024 * 1024)
    assert linux["transparentHugepageEnabled"] in schema["transparentHugepageEnabled"]["enum"]
    assert linux["transparentHugepageDefrag"] in schema["transparentHugepageDefrag"]["enum"]


@pytest.mark.parametrize("machine", GOOGLE, ids=[machine.name for machine in GOOGLE])
def test_only_gpu_nodes_align_cores_with_gpus(machine: Machine) -> None:
    kubelet = yaml.safe_load(render_system_config(machine))["kubeletConfig"]
    assert kubelet["insecureKubeletReadonlyPortEnabled"] is False
    assert kubelet.get("cpuManagerPolicy") == ("static" if machine.gpu else None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("c2-standard-60", None),
        ("a2-highgpu-8g", "nvidia-tesla-a100"),
        ("a2-ultragpu-8g", "nvidia-a100-80gb"),
        ("a3-highgpu-8g", "nvidia-h100-80gb"),
        ("a3-megagpu-8g", "nvidia-h100-mega-80gb"),
        ("a3-ultragpu-8g", "nvidia-h200-141gb"),
        ("a4-highgpu-8g", "nvidia-b200"),
    ],
)
def test_accelerators_have_googles_names(name: str, expected: str | None) -> None:
    assert find_accelerator(find_machine(name)) == expected


def test_every_machine_of_the_catalogue_has_an_accelerator() -> None:
    assert all((find_accelerator(machine) is None) == (machine.gpu is None) for machine in GOOGLE)


def test_another_clouds_gpu_has_no_name() -> None:
    with pytest.raises(CatalogError, match=r"p6-b300\.48xlarge: Google Cloud has no name for B300"):
        find_accelerator(find_machine("p6-b300.48xlarge"))


def test_local_disks_are_the_catalogues_where_it_knows_them() -> None:
    for machine in GOOGLE:
        disks = find_local_ssds(machine)
        assert disks.default in disks.allowed
        if machine.local_nvme_gb is not None and not machine.gke.local_ssds:
            assert disks.allowed == (machine.local_nvme_gb / LOCAL_SSD_GB,)
    assert find_local_ssds(find_machine("a3-ultragpu-8g")).default == 32


def test_series_without_persistent_disks_get_a_hyperdisk() -> None:
    hyperdisk = {machine.name for machine in GOOGLE if choose_boot_disk_type(machine) == "hyperdisk-balanced"}
    series = {name.rpartition("-")[0] for name in hyperdisk}
    assert series == {"a3-ultragpu", "a4-highgpu", "a4x-highgpu", "g4-standard"}
