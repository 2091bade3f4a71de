"""EFA interfaces by machine: exact layouts, and errors for machines without a known layout."""

from __future__ import annotations

import pytest
from novacron_infra.aws.fabric import InterfaceType, list_efa_interfaces
from novacron_infra.catalog import CatalogError, Cloud, FabricKind, UnknownNameError, load_machines

# Card 0 has EFA as device 1, next to its IP interface; every other EFA card has it as device 0.
EFA_CARDS = {
    "p4d.24xlarge": range(4),
    "p4de.24xlarge": range(4),
    "p5.48xlarge": range(32),
    "p5e.48xlarge": range(32),
    "p5en.48xlarge": range(16),
    "p6-b200.48xlarge": range(8),
    "p6-b300.48xlarge": range(1, 17),
}


@pytest.mark.parametrize("name", EFA_CARDS)
def test_efa_layout_of_each_machine(name: str) -> None:
    primary, *fabric = list_efa_interfaces(name)
    assert (primary.network_card, primary.device, primary.type) == (0, 0, InterfaceType.ORDINARY)
    assert [(item.network_card, item.device) for item in fabric] == [(c, 1 if c == 0 else 0) for c in EFA_CARDS[name]]
    assert {item.type for item in fabric} == {InterfaceType.EFA_ONLY}


def test_card_0_of_p6_b300_has_no_efa() -> None:
    on_card_0 = [item.type for item in list_efa_interfaces("p6-b300.48xlarge") if item.network_card == 0]
    assert on_card_0 == [InterfaceType.ORDINARY]


def test_every_machine_of_the_catalogue_with_efa_has_a_layout() -> None:
    with_efa = {
        machine_type.name
        for machine_type in load_machines().values()
        if machine_type.cloud is Cloud.AWS
        and machine_type.fabric is not None
        and machine_type.fabric.kind is FabricKind.EFA
    }
    assert with_efa >= set(EFA_CARDS)
    for name in with_efa:
        first, *fabric = list_efa_interfaces(name)
        assert first.type is InterfaceType.ORDINARY
        assert len({(item.network_card, item.device) for item in (first, *fabric)}) == len(fabric) + 1


@pytest.mark.parametrize("name", ["c6i.8xlarge", "a3-ultragpu-8g"])
def test_machine_without_efa_is_rejected(name: str) -> None:
    with pytest.raises(CatalogError, match=f"{name} has no EFA"):
        list_efa_interfaces(name)


def test_unknown_machine_has_no_efa_layout() -> None:
    with pytest.raises(UnknownNameError, match=r"p7\.48xlarge"):
        list_efa_interfaces("p7.48xlarge")


def test_machine_with_unknown_efa_cards_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    machine_type = load_machines()["p5.48xlarge"]
    assert machine_type.fabric is not None
    unknown = machine_type.model_copy(update={"fabric": machine_type.fabric.model_copy(update={"first_card": None})})
    monkeypatch.setattr("novacron_infra.aws.fabric.find_machine", lambda _: unknown)
    with pytest.raises(CatalogError, match="does not list the network cards"):
        list_efa_interfaces("p5.48xlarge")
