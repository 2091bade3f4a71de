"""Planned resources as bodies of Azure's API, checked against the models that ship in azure-mgmt-containerservice.

The models are independent of the Pulumi SDK: they say which members a body has, which of them only Azure writes, their
types and the values of enumerations. What they do not say: lengths and patterns, which members exclude each other, and
whether a thing that is referred to exists. Other services have no models here: `MODELLED` says which have.
"""

from __future__ import annotations

import datetime as dt
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from azure.mgmt.containerservice import models
from azure.mgmt.containerservice._utils.model_base import Model

from tests.unit.azure.graph import Registered


@dataclass(frozen=True)
class Body:
    """The body of the call that creates a resource."""

    model: type
    in_path: tuple[str, ...]
    """Inputs that stand in the call's address."""
    envelope: tuple[str, ...] = ()
    """Inputs beside `properties`, where all others go."""


MODELLED = {
    "azure-native:containerservice:ManagedCluster": Body(
        models.ManagedCluster,
        ("resourceGroupName", "resourceName"),
        ("location", "tags", "sku", "identity", "kind", "extendedLocation"),
    ),
    "azure-native:containerservice:AgentPool": Body(
        models.AgentPool, ("resourceGroupName", "resourceName", "agentPoolName")
    ),
    "azure-native:containerservice:MaintenanceConfiguration": Body(
        models.MaintenanceConfiguration, ("resourceGroupName", "resourceName", "configName")
    ),
}


def problems(resource: Registered) -> list[str]:
    """What Azure's models have against a planned resource."""
    body = MODELLED[resource.type]
    inputs = {name: value for name, value in resource.inputs.items() if name not in body.in_path}
    envelope = {name: value for name, value in inputs.items() if name in body.envelope}
    properties = {name: value for name, value in inputs.items() if name not in body.envelope}
    if "identity" in envelope:  # the SDK takes a list of ids, the API a mapping of them
        identities = {name: {} for name in envelope["identity"]["userAssignedIdentities"]}
        envelope["identity"] = {**envelope["identity"], "userAssignedIdentities": identities}
    return [f"{resource.name}{text}" for text in _check({**envelope, "properties": properties}, body.model, "")]


@cache
def _members(model: type) -> dict[str, tuple[Any, bool]]:
    """By the API's name: the type, and whether only Azure writes it."""
    hints = get_type_hints(model, vars(models) | {"_models": models, "datetime": dt, "JSON": dict})
    fields = model()._attr_to_rest_field
    return {item._rest_name: (hints[name], item._visibility == ["read"]) for name, item in fields.items()}


def _check(value: Any, type_: Any, where: str) -> Iterator[str]:
    origin, inner = get_origin(type_), get_args(type_)
    if origin in (Union, types.UnionType):
        yield from _check_union(value, [item for item in inner if item is not type(None)], where)
    elif origin is list:
        if not isinstance(value, list):
            yield f"{where}: {value!r} is no list"
            return
        for index, item in enumerate(value):
            yield from _check(item, inner[0], f"{where}.{index}")
    elif origin is dict:
        if not isinstance(value, Mapping):
            yield f"{where}: {value!r} is no mapping"
            return
        for key, item in value.items():
            yield from _check(item, inner[1], f"{where}.{key}")
    elif isinstance(type_, type) and issubclass(type_, Enum):
        if value not in {item.value for item in type_}:
            yield f"{where}: {value!r} is none of {[item.value for item in type_]}"
    elif isinstance(type_, type) and issubclass(type_, Model):
        yield from _check_model(value, type_, where)
    elif not _is(value, type_):
        yield f"{where}: {value!r} is no {getattr(type_, '__name__', type_)}"


def _check_union(value: Any, choices: list[Any], where: str) -> Iterator[str]:
    # An enumeration that Azure may extend is a union with str: here only what it has today.
    enums = [item for item in choices if isinstance(item, type) and issubclass(item, Enum)]
    yield from _check(value, (enums or choices)[0], where)


def _check_model(value: Any, model: type, where: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{where}: {value!r} is no {model.__name__}"
        return
    members = _members(model)
    for name, item in value.items():
        if name not in members:
            yield f"{where}.{name}: {model.__name__} has no such member"
            continue
        type_, only_azure = members[name]
        if only_azure:
            yield f"{where}.{name}: only Azure writes it"
        yield from _check(item, type_, f"{where}.{name}")


def _is(value: Any, type_: Any) -> bool:
    if type_ is bool:
        return isinstance(value, bool)
    if type_ is int:
        return not isinstance(value, bool) and isinstance(value, int | float) and float(value).is_integer()
    if type_ is float:
        return not isinstance(value, bool) and isinstance(value, int | float)
    if type_ in (str, dt.time, dt.date, dt.datetime):
        return isinstance(value, str)
    return type_ is Any
