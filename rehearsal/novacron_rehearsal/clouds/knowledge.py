"""What `data/<package>.yaml` knows of a cloud beyond its SDK: ids, outputs, replacements, functions, errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from novacron_rehearsal.clouds import sdk
from novacron_rehearsal.clouds.schema import schema
from novacron_rehearsal.values import Value

EVERY_TYPE = "*"
_DATA = Path(__file__).parent / "data"


def described() -> list[str]:
    """Return the packages of which more is known than their SDK says."""
    return sorted(path.stem for path in _DATA.glob("*.yaml") if path.stem != "other")


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """Of one type of resource. Templates are those of `templates.py`."""

    id: str
    name: str
    """The input that names the resource in the cloud; made up when a program gives none."""
    named: str
    """How a made-up name looks: `dashes`, `letters` (and digits) or `uuid`."""
    replaces: tuple[str, ...]
    """Inputs (paths without indices) that cannot be changed in place. What is in the id cannot be either."""
    outputs: Mapping[str, Value]
    autonamed_with_prefix: bool
    """Whether the provider makes up a name even when the program gives a prefix, and then refuses both."""
    again: bool
    """Whether one that exists may be made once more, as a grant: both are the same then."""
    unique_ids: bool
    """Whether the id tells it from others of its type in the same region."""


@dataclass(frozen=True, slots=True)
class CloudFacts:
    """Of one cloud."""

    defaults: Mapping[str, Any]
    types: Mapping[str, Mapping[str, Any]]
    patterns: Mapping[str, str]
    """Templates for outputs that are always there, by a regular expression of the output's name."""
    functions: Mapping[str, Any]
    faults: Mapping[str, str]


@cache
def cloud(package: str) -> CloudFacts:
    """What is known of a package's cloud."""
    path = _DATA / f"{package}.yaml"
    if not path.exists():
        path = _DATA / "other.yaml"
    return CloudFacts(**yaml.safe_load(path.read_text(encoding="utf-8")))


@cache
def resource(token: str) -> ResourceFacts:
    """What is known of a type of resource: what holds for every type of its cloud, and what is its own."""
    package = sdk.package_of(token)
    types = cloud(package).types
    common, own = types[EVERY_TYPE], types.get(sdk.plain_token(token), {})
    return ResourceFacts(
        id=own.get("id", common.get("id", "")),
        name=own.get("name", common.get("name", "")) if package != "azure-native" or own else _azure_name(token),
        named=own.get("named", "dashes"),
        replaces=tuple(sorted({*common.get("replaces", ()), *own.get("replaces", ())})),
        # A type for which what is common to all does not hold says null.
        outputs={k: v for k, v in {**common.get("outputs", {}), **own.get("outputs", {})}.items() if v is not None},
        autonamed_with_prefix=own.get("autonamed_with_prefix", False),
        again=own.get("again", False),
        unique_ids=common.get("unique_ids", True),
    )


def _azure_name(token: str) -> str:
    """The input that names an Azure resource: called after its class, or one of two general names."""
    kind = token.rpartition(":")[2]
    inputs = schema(token).inputs
    return next((name for name in (f"{kind[0].lower()}{kind[1:]}Name", "resourceName", "name") if name in inputs), "")
