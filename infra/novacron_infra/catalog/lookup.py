"""Loads the data files of the catalogue once, validates them, and finds their entries by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter

from novacron_infra.catalog.errors import CatalogError, UnknownNameError, UnsupportedQuantizationError
from novacron_infra.catalog.types import (
    Architecture,
    Cloud,
    EngineKind,
    FormatName,
    Gpu,
    KubernetesList,
    Machine,
    Model,
    Offer,
    Offered,
    OfferList,
    Quantization,
    Quantizations,
    RegionList,
    WeightFormat,
)

DATA = Path(__file__).parent
_EntryT = TypeVar("_EntryT", Gpu, Machine, Model)


@cache
def load_gpus() -> Mapping[str, Gpu]:
    """Return all GPU models by name."""
    return _load_entries("gpus.yaml", Gpu)


@cache
def load_machines() -> Mapping[str, Machine]:
    """Return all machine types by name. The GPU of each is one of `load_gpus()`."""
    found = _load_entries("machines.yaml", Machine)
    for item in found.values():
        if (item.gpu is None) != (item.gpu_count == 0) or (item.gpu is not None and item.gpu not in load_gpus()):
            raise CatalogError(f"machines.yaml: {item.name}: {item.gpu_count} × {item.gpu!r} is not in gpus.yaml")
    return found


@cache
def load_models() -> Mapping[str, Model]:
    """Return all models by name."""
    return _load_entries("models.yaml", Model)


@cache
def load_quantizations() -> Quantizations:
    """Return the weight formats, and the engines and architectures that support them."""
    return Quantizations.model_validate(_read_yaml("quantizations.yaml"))


@cache
def load_region_lists() -> Mapping[Cloud, RegionList]:
    """Return the complete lists of regions, for the clouds that have one."""
    lists = TypeAdapter(tuple[RegionList, ...]).validate_python(_read_yaml("region_names.yaml"))
    return MappingProxyType({item.cloud: item for item in lists})


@cache
def load_kubernetes_lists() -> Mapping[Cloud, KubernetesList]:
    """Return the versions of Kubernetes that each cloud offers."""
    lists = TypeAdapter(tuple[KubernetesList, ...]).validate_python(_read_yaml("kubernetes_versions.yaml"))
    return MappingProxyType({item.cloud: item for item in lists})


@cache
def load_offer_lists() -> tuple[OfferList, ...]:
    """Return the lists of regions that offer machines. Every machine is one of `load_machines()`, in its own cloud."""
    lists = TypeAdapter(tuple[OfferList, ...]).validate_python(_read_yaml("regions.yaml"))
    for item in lists:
        for name, regions in item.offers.items():
            if name not in load_machines() or load_machines()[name].cloud is not item.cloud:
                raise CatalogError(f"regions.yaml: {item.source}: {name!r} is not a machine of {item.cloud.value}")
            strangers = set(regions) - set(item.covers) if item.covers else set[str]()
            if strangers:
                raise CatalogError(f"regions.yaml: {item.source}: {name}: {min(strangers)} is not in `covers`")
    return lists


def find_offer(machine_name: str, region: str) -> Offer:
    """Return whether a region offers a machine, as far as the lists know.

    Raises:
        UnknownNameError: the machine is not in the catalogue.
    """
    cloud = find_machine(machine_name).cloud
    lists = [item for item in load_offer_lists() if item.cloud is cloud]
    regions = {name: item for item in reversed(lists) for name in item.offers.get(machine_name, ())}
    covering = next((item for item in lists if region in item.covers), None)
    other_regions = tuple(sorted(set(regions) - {region}))
    if region in regions:
        return Offer(offered=Offered.YES, source=_describe_source(regions[region]), other_regions=other_regions)
    if covering is not None:
        return Offer(offered=Offered.NO, source=_describe_source(covering), other_regions=other_regions)
    return Offer(offered=Offered.UNKNOWN, source="", other_regions=other_regions)


def find_gpu(name: str) -> Gpu:
    """Return the GPU model of this name. Raises UnknownNameError."""
    return _find("GPU", name, load_gpus())


def find_machine(name: str) -> Machine:
    """Return the machine type of this name. Raises UnknownNameError."""
    return _find("machine", name, load_machines())


def find_model(name: str) -> Model:
    """Return the model of this name. Raises UnknownNameError."""
    return _find("model", name, load_models())


def list_supported_quantizations(engine: EngineKind, architecture: Architecture) -> tuple[Quantization, ...]:
    """Return the quantizations that an engine supports on an architecture, those to suggest first."""
    return tuple(
        q for q in load_quantizations().offer[architecture] if _find_format(q, engine, architecture) is not None
    ) or tuple(Quantization(name.value) for name in load_quantizations().support[engine].get(architecture, ()))


def resolve_quantization(requested: Quantization, engine: EngineKind, architecture: Architecture) -> WeightFormat:
    """Return the weight format of a quantization on an architecture: `int8` is FP8 on Hopper, for example.

    Raises:
        UnsupportedQuantizationError: the engine does not support it on this architecture.
    """
    name = _find_format(requested, engine, architecture)
    if name is None:
        alternatives = tuple(q.value for q in list_supported_quantizations(engine, architecture))
        raise UnsupportedQuantizationError(requested.value, engine.value, architecture.value, alternatives)
    return next(item for item in load_quantizations().formats if item.name is name)


def _find_format(requested: Quantization, engine: EngineKind, architecture: Architecture) -> FormatName | None:
    table = load_quantizations()
    supported = table.support[engine].get(architecture, ())
    is_width = requested in table.meaning
    name = table.meaning[requested].get(architecture) if is_width else FormatName(requested.value)
    return name if name in supported else None


def _load_entries(file: str, kind: type[_EntryT]) -> Mapping[str, _EntryT]:
    adapter = TypeAdapter[_EntryT](kind)
    entries = [adapter.validate_python(item) for item in _read_yaml(file)]
    table = {item.name: item for item in entries}
    if len(table) != len(entries):
        raise CatalogError(f"{file}: two entries have the same name. Give each a name of its own")
    return MappingProxyType(table)


def _describe_source(item: OfferList) -> str:
    return f"{item.source}, {item.as_of}"


def _read_yaml(file: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((DATA / file).read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe loader


def _find(kind: str, name: str, table: Mapping[str, _EntryT]) -> _EntryT:
    try:
        return table[name]
    except KeyError:
        raise UnknownNameError(kind, name, table) from None
