"""Loads the data files once, checks them against the types, and answers by name."""

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
_RowT = TypeVar("_RowT", Gpu, Machine, Model)


@cache
def load_gpus() -> Mapping[str, Gpu]:
    """All GPU models by name."""
    return _rows("gpus.yaml", Gpu)


@cache
def load_machines() -> Mapping[str, Machine]:
    """All machine types by name; every `gpu` names a row of `load_gpus()`."""
    rows = _rows("machines.yaml", Machine)
    for row in rows.values():
        if (row.gpu is None) != (row.gpu_count == 0) or (row.gpu is not None and row.gpu not in load_gpus()):
            raise CatalogError(f"machines.yaml: {row.name}: gpu {row.gpu!r} × {row.gpu_count} is no GPU of gpus.yaml")
    return rows


@cache
def load_models() -> Mapping[str, Model]:
    """All models by name."""
    return _rows("models.yaml", Model)


@cache
def load_quantizations() -> Quantizations:
    """Weight formats and the support matrix."""
    return Quantizations.model_validate(_read("quantizations.yaml"))


@cache
def load_region_lists() -> Mapping[Cloud, RegionList]:
    """The regions of the clouds of which a list has all."""
    lists = TypeAdapter(tuple[RegionList, ...]).validate_python(_read("region_names.yaml"))
    return MappingProxyType({item.cloud: item for item in lists})


@cache
def load_offer_lists() -> tuple[OfferList, ...]:
    """Return the lists of regions that offer machines. Every machine is one of `load_machines()`, in its own cloud."""
    lists = TypeAdapter(tuple[OfferList, ...]).validate_python(_read("regions.yaml"))
    for item in lists:
        for name, regions in item.offers.items():
            if name not in load_machines() or load_machines()[name].cloud is not item.cloud:
                raise CatalogError(f"regions.yaml: {item.source}: {name!r} is no {item.cloud.value} machine")
            strangers = set(regions) - set(item.covers) if item.covers else set[str]()
            if strangers:
                raise CatalogError(f"regions.yaml: {item.source}: {name}: {min(strangers)} is not in `covers`")
    return lists


def find_offer(machine_name: str, region: str) -> Offer:
    """Whether a region has a machine, as far as the lists know. Raises UnknownNameError for the machine."""
    cloud = find_machine(machine_name).cloud
    lists = [item for item in load_offer_lists() if item.cloud is cloud]
    regions = {name: item for item in reversed(lists) for name in item.offers.get(machine_name, ())}
    refusing = next((item for item in lists if region in item.covers), None)
    other_regions = tuple(sorted(set(regions) - {region}))
    if region in regions:
        return Offer(offered=Offered.YES, source=_dated(regions[region]), other_regions=other_regions)
    if refusing is not None:
        return Offer(offered=Offered.NO, source=_dated(refusing), other_regions=other_regions)
    return Offer(offered=Offered.UNKNOWN, source="", other_regions=other_regions)


def find_gpu(name: str) -> Gpu:
    """The GPU model of that name. Raises UnknownNameError."""
    return _named("GPU", name, load_gpus())


def find_machine(name: str) -> Machine:
    """The machine type of that name. Raises UnknownNameError."""
    return _named("machine", name, load_machines())


def find_model(name: str) -> Model:
    """The model of that name. Raises UnknownNameError."""
    return _named("model", name, load_models())


def list_supported_quantizations(engine: EngineKind, architecture: Architecture) -> tuple[Quantization, ...]:
    """What to ask for instead, where a quantisation is rejected: best quality for the memory first."""
    return tuple(
        q for q in load_quantizations().offer[architecture] if _format_name(q, engine, architecture) is not None
    ) or tuple(Quantization(name.value) for name in load_quantizations().support[engine].get(architecture, ()))


def resolve_quantization(asked: Quantization, engine: EngineKind, architecture: Architecture) -> WeightFormat:
    """The format that `asked` means on that GPU ("int8" is FP8 on Hopper). Raises UnsupportedQuantizationError."""
    name = _format_name(asked, engine, architecture)
    if name is None:
        alternatives = tuple(q.value for q in list_supported_quantizations(engine, architecture))
        raise UnsupportedQuantizationError(asked.value, engine.value, architecture.value, alternatives)
    return next(row for row in load_quantizations().formats if row.name is name)


def _format_name(asked: Quantization, engine: EngineKind, architecture: Architecture) -> FormatName | None:
    table = load_quantizations()
    supported = table.support[engine].get(architecture, ())
    name = table.meaning[asked].get(architecture) if asked in table.meaning else FormatName(asked.value)
    return name if name in supported else None


def _rows(file: str, kind: type[_RowT]) -> Mapping[str, _RowT]:
    adapter = TypeAdapter[_RowT](kind)
    rows = [adapter.validate_python(row) for row in _read(file)]
    table = {row.name: row for row in rows}
    if len(table) != len(rows):
        raise CatalogError(f"{file}: two rows have one name; names must be unique")
    return MappingProxyType(table)


def _dated(item: OfferList) -> str:
    return f"{item.source}, {item.as_of}"


def _read(file: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((DATA / file).read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe loader


def _named(kind: str, name: str, table: Mapping[str, _RowT]) -> _RowT:
    try:
        return table[name]
    except KeyError:
        raise UnknownNameError(kind, name, table) from None
