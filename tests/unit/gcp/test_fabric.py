"""Fabric networks by machine: exact layouts, and no layout for what is not known."""

from __future__ import annotations

import pytest
from novacron_infra.catalog import CatalogError, Cloud, UnknownNameError, load_machines
from novacron_infra.gcp.fabric import (
    InterfaceType,
    count_fabric_interfaces,
    list_fabric_networks,
    make_rdma_profile_url,
)

GVNIC, RDMA = InterfaceType.GVNIC, InterfaceType.RDMA
LAYOUTS = {
    "a3-highgpu-8g": [(GVNIC, 8244, 1)] * 4,
    "a3-megagpu-8g": [(GVNIC, 8244, 1)] * 8,
    "a3-ultragpu-8g": [(GVNIC, 8896, 1), (RDMA, 8896, 8)],
    "a4-highgpu-8g": [(GVNIC, 8896, 1), (RDMA, 8896, 8)],
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layout_of_each_machine(name: str) -> None:
    networks = list_fabric_networks(name)
    assert [(item.type, item.mtu_bytes, item.subnets) for item in networks] == LAYOUTS[name]
    assert len({item.name for item in networks}) == len(networks)


@pytest.mark.parametrize(
    ("name", "interfaces"),
    [("a3-highgpu-8g", 4), ("a3-megagpu-8g", 8), ("a3-ultragpu-8g", 9), ("a4-highgpu-8g", 9)],
)
def test_a_node_has_one_interface_in_each_subnet(name: str, interfaces: int) -> None:
    assert count_fabric_interfaces(name) == interfaces


def test_every_machine_of_the_catalogue_with_a_fabric_has_a_layout() -> None:
    with_fabric = {
        machine_type.name
        for machine_type in load_machines().values()
        if machine_type.cloud is Cloud.GCP and machine_type.fabric is not None
    }
    assert with_fabric == set(LAYOUTS)


@pytest.mark.parametrize("name", ["c2-standard-60", "a3-highgpu-1g", "p5.48xlarge", "Standard_ND96isr_H100_v5"])
def test_a_machine_without_googles_fabric_gets_none(name: str) -> None:
    with pytest.raises(CatalogError, match=f"{name} has no fabric on Google Cloud"):
        list_fabric_networks(name)


def test_an_unknown_machine_gets_none() -> None:
    with pytest.raises(UnknownNameError, match="a9-megagpu-8g"):
        list_fabric_networks("a9-megagpu-8g")


def test_the_rdma_profile_is_the_zones() -> None:
    assert (
        make_rdma_profile_url("acme", "us-central1-b") == "projects/acme/global/networkProfiles/us-central1-b-vpc-roce"
    )
