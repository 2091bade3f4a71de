"""InfiniBand by size: by name, by catalogue, and the two agree."""

from __future__ import annotations

import pytest
from novacron_infra.azure.fabric import count_infiniband_interfaces, lacks_infiniband
from novacron_infra.catalog import CatalogError, Cloud, FabricKind, Machine, UnknownNameError, load_machines

AZURE = [machine for machine in load_machines().values() if machine.cloud is Cloud.AZURE]


@pytest.mark.parametrize(
    ("size", "lacks"),
    [
        ("Standard_ND96isr_H100_v5", False),
        ("Standard_ND96is_H100_v5", True),
        ("Standard_ND96asr_v4", False),
        ("Standard_ND96amsr_A100_v4", False),
        ("Standard_NC24ads_A100_v4", True),
        ("Standard_NC80adis_H100_v5", True),
        ("Standard_NC24r", False),
        ("standard_nd96is_h100_v5", True),
        ("Standard_D64s_v5", False),  # no GPUs: another rule
        ("p5.48xlarge", False),
    ],
)
def test_the_r_in_a_name(size: str, lacks: bool) -> None:
    assert lacks_infiniband(size) == lacks


@pytest.mark.parametrize(
    "machine",
    [machine for machine in AZURE if machine.gpu and not machine.unsupported_because],
    ids=lambda machine: str(machine.name),
)
def test_the_catalogue_and_the_names_agree(machine: Machine) -> None:
    has = machine.fabric is not None and machine.fabric.kind is FabricKind.INFINIBAND
    assert has != lacks_infiniband(machine.name)
    if has:
        assert count_infiniband_interfaces(machine.name) == machine.gpu_count


@pytest.mark.parametrize("name", ["Standard_D64s_v5", "p5.48xlarge"])
def test_a_machine_without_infiniband_has_no_interfaces(name: str) -> None:
    with pytest.raises(CatalogError, match=f"{name} has no InfiniBand"):
        count_infiniband_interfaces(name)


def test_an_unknown_machine_has_none() -> None:
    with pytest.raises(UnknownNameError, match="Standard_ND40rs_v2"):
        count_infiniband_interfaces("Standard_ND40rs_v2")
