"""The catalogue as one value: the entries of this package, and those of a project that extend or replace them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from novacron_infra.catalog.errors import CatalogFilesError, suggest_names
from novacron_infra.catalog.files import PACKAGE, Located, check_file_names, find_own_folder, read_entries
from novacron_infra.catalog.models import Model
from novacron_infra.catalog.types import (
    Cloud,
    FabricKind,
    Gpu,
    Machine,
    OfferList,
    PriceList,
    RegionList,
)
from novacron_infra.errors import Problem

_NamedT = TypeVar("_NamedT", Gpu, Machine, Model)
_ListT = TypeVar("_ListT", PriceList, OfferList, RegionList)
_LARGEST_DIFFERENCE = 0.05
"""Part of a model's parameters by which a model of a project may differ from the sum of its layers."""
_FABRICS = {
    Cloud.AWS: (FabricKind.EFA,),
    Cloud.GCP: (FabricKind.TCPX, FabricKind.TCPXO, FabricKind.ROCE),
    Cloud.AZURE: (FabricKind.INFINIBAND,),
}


@dataclass(frozen=True)
class Catalog:
    """All entries: those of this package, and those of a project, which come first and replace others of their name."""

    gpus: Mapping[str, Gpu]
    machines: Mapping[str, Machine]
    models: Mapping[str, Model]
    prices: tuple[PriceList, ...]
    offers: tuple[OfferList | PriceList, ...]
    """Every list that tells which regions offer a machine."""
    region_names: Mapping[Cloud, RegionList]
    own: Mapping[str, str]
    """The names of the project's own GPUs, machines and models, and where each is written."""


def load_catalog() -> Catalog:
    """Return the catalogue of this package with the entries of the current project.

    Raises:
        CatalogFilesError: with every problem of the project's files.
    """
    return _load_catalog(find_own_folder())


@cache
def _load_catalog(own: Path | None) -> Catalog:
    problems: list[Problem] = [] if own is None else list(check_file_names(own))
    gpus, own_gpus = _merge_named(Gpu, own, problems)
    machines, own_machines = _merge_named(Machine, own, problems)
    models, own_models = _merge_named(Model, own, problems)
    prices, own_prices = _merge_lists(PriceList, own, problems)
    offers, own_offers = _merge_lists(OfferList, own, problems)
    names, own_names = _merge_lists(RegionList, own, problems)
    problems += [found for item in own_machines for found in _check_machine(item, gpus)]
    problems += [found for item in own_models for found in _check_parameters(item)]
    problems += [found for item in [*own_prices, *own_offers] for found in _check_machines(item, machines)]
    if problems:
        raise CatalogFilesError(problems)
    return Catalog(
        gpus=gpus,
        machines=machines,
        models=models,
        prices=prices,
        offers=(*prices, *offers),
        region_names=_merge_region_names(names, len(own_names)),
        own=MappingProxyType({item.entry.name: item.path for item in [*own_gpus, *own_machines, *own_models]}),
    )


def _merge_named(
    kind: type[_NamedT], own: Path | None, problems: list[Problem]
) -> tuple[Mapping[str, _NamedT], list[Located[_NamedT]]]:
    """Return the entries of a type by name, and the project's own ones. Two files of a project cannot have one name."""
    table = {item.entry.name: item.entry for item in read_entries(PACKAGE, kind, problems)}
    located = [] if own is None else list(read_entries(own, kind, problems))
    places: dict[str, str] = {}
    for item in located:
        if item.entry.name in places:
            rule = f"{places[item.entry.name]} has the same name"
            problems.append(item.problem("name", item.entry.name, rule, "Give each entry a name of its own"))
        places.setdefault(item.entry.name, item.path)
        table[item.entry.name] = item.entry
    return MappingProxyType(table), located


def _merge_lists(
    kind: type[_ListT], own: Path | None, problems: list[Problem]
) -> tuple[tuple[_ListT, ...], list[Located[_ListT]]]:
    """Return the lists of a type, the project's own ones first, and the places of these."""
    located = [] if own is None else list(read_entries(own, kind, problems))
    ours = [item.entry for item in read_entries(PACKAGE, kind, problems)]
    return (*(item.entry for item in located), *ours), located


def _merge_region_names(lists: Sequence[RegionList], own: int) -> Mapping[Cloud, RegionList]:
    """Return the list of each cloud with the names that a project adds. The first `own` lists are the project's."""
    merged = {item.cloud: item for item in lists[own:]}
    for item in lists[:own]:
        known = merged.get(item.cloud)
        if known is not None:  # without a complete list every name is accepted
            names = (*known.names, *(name for name in item.names if name not in known.names))
            merged[item.cloud] = known.model_copy(update={"names": names})
    return MappingProxyType(merged)


def _check_machine(item: Located[Machine], gpus: Mapping[str, Gpu]) -> Iterator[Problem]:
    yield from _check_gpu(item, gpus)
    yield from _check_fabric(item)


def _check_fabric(item: Located[Machine]) -> Iterator[Problem]:
    machine, fabric = item.entry, item.entry.fabric
    if fabric is None:
        return
    kinds = _FABRICS[machine.cloud]
    if fabric.kind not in kinds:
        rule = f"machines of {machine.cloud.value} do not have this fabric"
        yield item.problem("fabric.kind", fabric.kind.value, rule, f"Use {' or '.join(kind.value for kind in kinds)}")
    elif fabric.kind is FabricKind.EFA and fabric.first_card is None:
        rule = "the launch template needs the network cards with EFA"
        fix = "Add the index of the first card with EFA, 0 on most machines"
        yield Problem(f"{item.path}.fabric.first_card", None, rule, fix)


def _check_gpu(item: Located[Machine], gpus: Mapping[str, Gpu]) -> Iterator[Problem]:
    machine = item.entry
    if machine.gpu is None and machine.gpu_count:
        yield item.problem("gpu_count", machine.gpu_count, "the machine names no GPU", "Add `gpu`, or remove it")
    elif machine.gpu is not None and machine.gpu not in gpus:
        fix = f"{suggest_names(machine.gpu, gpus)} Or add it to gpus.yaml"
        yield item.problem("gpu", machine.gpu, "it is not a GPU model of the catalogue", fix)
    elif machine.gpu is not None and not machine.gpu_count:
        yield item.problem("gpu_count", 0, f"a machine with {machine.gpu} has at least one", "State how many it has")
    elif (
        machine.gpu is not None
        and machine.cloud is Cloud.GCP
        and not (machine.gke.accelerator or gpus[machine.gpu].gke_accelerator)
    ):
        rule = f"GKE needs its own name of {machine.gpu}"
        yield Problem(f"{item.path}.gke.accelerator", None, rule, "Add it, such as nvidia-l4")


def _check_parameters(item: Located[Model]) -> Iterator[Problem]:
    model = item.entry
    if abs(model.parameters - model.computed_parameters) > _LARGEST_DIFFERENCE * model.computed_parameters:
        rule = f"the other figures add up to {model.computed_parameters}"
        yield item.problem("parameters", model.parameters, rule, "Correct the figure that is wrong")


def _check_machines(
    item: Located[PriceList] | Located[OfferList], machines: Mapping[str, Machine]
) -> Iterator[Problem]:
    entry = item.entry
    field = "usd_per_hour" if isinstance(entry, PriceList) else "offers"
    for name in entry.offers:
        if name not in machines:
            fix = f"{suggest_names(name, machines)} Or add it to machines.yaml"
            yield item.problem(field, name, "it is not a machine of the catalogue", fix)
        elif machines[name].cloud is not entry.cloud:
            rule = f"it is a machine of {machines[name].cloud.value}, and the list is of {entry.cloud.value}"
            yield item.problem(field, name, rule, "Put it into a list of its own cloud")
