"""Finds entries of the catalogue by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TypeVar

from pydantic import TypeAdapter

from novacron_infra.catalog.errors import (
    UnknownNameError,
    UnsupportedQuantizationError,
)
from novacron_infra.catalog.files import read_package_file
from novacron_infra.catalog.merging import load_catalog
from novacron_infra.catalog.models import Model
from novacron_infra.catalog.types import (
    Architecture,
    Cloud,
    EngineKind,
    FormatName,
    Gpu,
    KubernetesList,
    Machine,
    Offer,
    Offered,
    OfferList,
    Price,
    PriceList,
    Quantization,
    Quantizations,
    RegionList,
    WeightFormat,
)

_NamedT = TypeVar("_NamedT", Gpu, Machine, Model)


def load_gpus() -> Mapping[str, Gpu]:
    """Return all GPU models by name."""
    return load_catalog().gpus


def load_machines() -> Mapping[str, Machine]:
    """Return all machine types by name. The GPU of each is one of `load_gpus()`."""
    return load_catalog().machines


def load_models() -> Mapping[str, Model]:
    """Return all models by name."""
    return load_catalog().models


@cache
def load_quantizations() -> Quantizations:
    """Return the weight formats, and the engines and architectures that support them."""
    values = read_package_file("quantizations.yaml")
    return Quantizations.model_validate_json(json.dumps(values, default=str))


@cache
def load_kubernetes_lists() -> Mapping[Cloud, KubernetesList]:
    """Return the versions of Kubernetes that each cloud offers."""
    values = read_package_file("kubernetes_versions.yaml")
    lists = TypeAdapter(tuple[KubernetesList, ...]).validate_json(json.dumps(values, default=str))
    return MappingProxyType({item.cloud: item for item in lists})


def load_region_lists() -> Mapping[Cloud, RegionList]:
    """Return the complete lists of regions, for the clouds that have one."""
    return load_catalog().region_names


def load_offer_lists() -> tuple[OfferList | PriceList, ...]:
    """Return the lists of regions that offer machines. Every machine is one of `load_machines()`, in its own cloud."""
    return load_catalog().offers


def find_offer(machine_name: str, region: str) -> Offer:
    """Return whether a region offers a machine, as far as the lists know.

    Raises:
        UnknownNameError: the machine is not in the catalogue.
    """
    cloud = find_machine(machine_name).cloud
    lists = [item for item in load_offer_lists() if item.cloud is cloud and machine_name in item.offers]
    regions = {name: item for item in reversed(lists) for name in item.offers[machine_name]}
    covering = next((item for item in lists if region in item.covers), None)
    other_regions = tuple(sorted(set(regions) - {region}))
    if region in regions:
        return Offer(offered=Offered.YES, source=_describe_source(regions[region]), other_regions=other_regions)
    if covering is not None:
        return Offer(offered=Offered.NO, source=_describe_source(covering), other_regions=other_regions)
    return Offer(offered=Offered.UNKNOWN, source="", other_regions=other_regions)


def find_price(machine_name: str, region: str | None = None) -> Price | None:
    """Return the on-demand list price of a machine in a region, or in another region if there is none for this one.

    Returns:
        The price with its region; None if the machine has no public price.

    Raises:
        UnknownNameError: the machine is not in the catalogue.
    """
    cloud = find_machine(machine_name).cloud
    lists = [item for item in load_catalog().prices if item.cloud is cloud and item.usd_per_hour.get(machine_name)]
    if not lists:
        return None
    found = next((item for item in lists if region in item.usd_per_hour[machine_name]), lists[0])
    prices = found.usd_per_hour[machine_name]
    shown = region if region in prices else next(iter(prices))
    return Price(usd_per_hour=prices[shown], region=shown, source=found.source, as_of=found.as_of)


def find_spot_price(machine_name: str, region: str) -> Price | None:
    """Return the spot price of a machine in a region on the date of its list, or None where no list has one."""
    for item in load_catalog().prices:
        if (price := item.spot_usd_per_hour.get(machine_name, {}).get(region)) is not None:
            return Price(usd_per_hour=price, region=region, source=item.source, as_of=item.as_of)
    return None


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
        supported = tuple(item.value for item in load_quantizations().support[engine].get(architecture, ()))
        raise UnsupportedQuantizationError(requested.value, engine.value, architecture.value, alternatives, supported)
    return next(item for item in load_quantizations().formats if item.name is name)


def _find_format(requested: Quantization, engine: EngineKind, architecture: Architecture) -> FormatName | None:
    table = load_quantizations()
    supported = table.support[engine].get(architecture, ())
    is_width = requested in table.meaning
    name = table.meaning[requested].get(architecture) if is_width else FormatName(requested.value)
    return name if name in supported else None


def _describe_source(item: OfferList | PriceList) -> str:
    return f"{item.source}, {item.as_of}"


def _find(kind: str, name: str, table: Mapping[str, _NamedT]) -> _NamedT:
    try:
        return table[name]
    except KeyError:
        raise UnknownNameError(kind, name, table) from None
