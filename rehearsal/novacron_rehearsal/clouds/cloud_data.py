"""Data about clouds that their SDKs lack, from `data/<package>.yaml`: ids, outputs, replacements, functions, errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from novacron_rehearsal.clouds import sdk
from novacron_rehearsal.clouds.schema import load_schema
from novacron_rehearsal.values import Value

EVERY_TYPE = "*"
_DATA = Path(__file__).parent / "data"


def list_packages() -> list[str]:
    """Return the packages that have data of their own."""
    return sorted(path.stem for path in _DATA.glob("*.yaml") if path.stem != "other")


@dataclass(frozen=True, slots=True)
class Order:
    """Two numbers in a resource's inputs (paths with dots), the first of which must not exceed the second."""

    low: str
    high: str
    refusal: str
    """The cloud's error, with the numbers as `{low}` and `{high}`."""


@dataclass(frozen=True, slots=True)
class ResourceData:
    """Data about one type of resource. `templates.py` describes the templates."""

    id: str
    name: str
    """The input that names the resource in the cloud. A name is generated when the program gives none."""
    named: str
    """Form of a generated name: `dashes`, `letters` (and digits) or `uuid`."""
    replaces: tuple[str, ...]
    """Inputs (paths without indices) that cannot be changed in place, in addition to those in the id."""
    grows: tuple[str, ...]
    """Lists that get longer in place. Any other change of one replaces the resource."""
    fills: tuple[str, ...]
    """Lists whose change from or to an empty one replaces the resource."""
    widens: tuple[str, ...]
    """IPv4 networks that get wider in place. Any other change of one replaces the resource."""
    outputs: Mapping[str, Value]
    autonamed_with_prefix: bool
    """Whether the provider generates a name although the program gives a prefix, and then rejects both."""
    again: bool
    """Whether a second resource with the same id is the same one, as with IAM grants."""
    ordered: tuple[Order, ...]
    unique_ids: bool
    """Whether no two resources of the type and region have the same id."""


@dataclass(frozen=True, slots=True)
class CloudData:
    """Data about one cloud."""

    defaults: Mapping[str, Any]
    types: Mapping[str, Mapping[str, Any]]
    patterns: Mapping[str, str]
    """Templates for required outputs, by a regular expression for the output's name."""
    functions: Mapping[str, Any]
    faults: Mapping[str, str]
    lookups: tuple[str, ...] = ()
    """Functions that look up what exists outside of the simulation, which the simulation takes for granted."""


@cache
def load_cloud(package: str) -> CloudData:
    """Return the data about a package's cloud."""
    path = _DATA / f"{package}.yaml"
    if not path.exists():
        path = _DATA / "other.yaml"
    return CloudData(**yaml.safe_load(path.read_text(encoding="utf-8")))


@cache
def find_resource(token: str) -> ResourceData:
    """Return the data about a type of resource: its own, over that of every type of its cloud."""
    package = sdk.package_of(token)
    types = load_cloud(package).types
    common, own = types[EVERY_TYPE], types.get(sdk.normalize_token(token), {})
    return ResourceData(
        id=own.get("id", common.get("id", "")),
        name=own.get("name", common.get("name", "")) if package != "azure-native" or own else _azure_name(token),
        named=own.get("named", "dashes"),
        replaces=tuple(sorted({*common.get("replaces", ()), *own.get("replaces", ())})),
        grows=tuple(own.get("grows", ())),
        fills=tuple(own.get("fills", ())),
        widens=tuple(own.get("widens", ())),
        # null in the type's own data removes an output that all types have.
        outputs={k: v for k, v in {**common.get("outputs", {}), **own.get("outputs", {})}.items() if v is not None},
        autonamed_with_prefix=own.get("autonamed_with_prefix", False),
        again=own.get("again", False),
        ordered=tuple(Order(*item) for item in own.get("ordered", ())),
        unique_ids=common.get("unique_ids", True),
    )


def _azure_name(token: str) -> str:
    """Return the input that names an Azure resource: the class's name with `Name`, or one of two general names."""
    kind = token.rpartition(":")[2]
    inputs = load_schema(token).inputs
    return next((name for name in (f"{kind[0].lower()}{kind[1:]}Name", "resourceName", "name") if name in inputs), "")
