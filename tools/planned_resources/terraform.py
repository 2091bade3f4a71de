"""Writes resources of the bridged providers (AWS, Google Cloud) as a Terraform plan in JSON.

Pulumi's providers for these clouds are made from Terraform's. The differences are systematic: names are camelCase, a
block that occurs once is an object instead of a list of one, and a block that occurs repeatedly has a plural name.
`terraform_names.yaml` has what no rule gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from novacron_rehearsal.clouds.schema import Fields, ListOf, MapOf, Object, OneOf, Type, load_schema, read_fields

from tools.planned_resources.deployed import PlannedResource

PREFIXES = {"aws": "aws", "gcp": "google"}
_NAMES = Path(__file__).with_name("terraform_names.yaml")


@cache
def _names() -> Mapping[str, Any]:
    return yaml.safe_load(_NAMES.read_text(encoding="utf-8"))


def make_plan(resources: Iterable[PlannedResource], package: str) -> dict[str, Any]:
    """Return the plan that creates the resources of a package, `aws` or `gcp`."""
    chosen = [resource for resource in resources if resource.package == package]
    addresses = {resource.urn: f"{find_type(resource.type)}.{resource.name}" for resource in chosen}
    planned: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    configuration: list[dict[str, Any]] = []
    for resource in chosen:
        kind, values = find_type(resource.type), _values(resource)
        provider = f"registry.terraform.io/hashicorp/{PREFIXES[package]}"
        base = {"address": f"{kind}.{resource.name}", "mode": "managed", "type": kind, "name": resource.name}
        planned.append(base | {"provider_name": provider, "schema_version": 0, "values": values})
        change = {"actions": ["create"], "before": None, "after": values, "after_unknown": {}}
        changes.append(base | {"provider_name": provider, "change": change})
        expressions = {
            rename(resource.type, key): {"references": found}
            for key, urns in resource.references.items()
            if (found := [addresses[urn] for urn in urns if urn in addresses])
        }
        configuration.append(base | {"provider_config_key": PREFIXES[package], "expressions": expressions})
    return {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": planned}},
        "resource_changes": changes,
        "configuration": {"root_module": {"resources": configuration}},
    }


def find_type(token: str) -> str:
    """Return Terraform's name of a resource type, such as `aws_s3_bucket` for `aws:s3/bucket:Bucket`."""
    if token in _names()["types"]:
        return _names()["types"][token]
    package, module, name = token.split(":")
    module = module.partition("/")[0]
    module = _names()["modules"].get(package, {}).get(module, module)
    return "_".join(part for part in (PREFIXES.get(package, package), module, make_snake_case(name)) if part)


def rename(token: str, key: str) -> str:
    """Return Terraform's name of an input."""
    snake = make_snake_case(key)
    return _names()["fields"].get(find_type(token), {}).get(snake, snake)


def make_snake_case(name: str) -> str:
    """Return a camelCase name in snake_case."""
    split = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", split).lower()


def _values(resource: PlannedResource) -> dict[str, Any]:
    fields = load_schema(resource.type).inputs
    package = resource.package
    found: dict[str, Any] = {}
    for key, value in resource.inputs.items():
        made_from = [urn for urn in resource.references.get(key, ()) if f"{package}:" in urn]
        if made_from and isinstance(value, str) and not value.startswith("{"):
            # As in a plan before the first deployment: scanners follow references to other resources only where the
            # value is unknown. Documents are kept, because scanners read them.
            continue
        found[rename(resource.type, key)] = _convert(value, fields[key].type if key in fields else None, resource.type)
    return found


def _convert(value: Any, type_: Type | None, token: str) -> Any:
    if isinstance(type_, OneOf):
        type_ = next((item for item in type_.options if isinstance(item, Object)), None)
    if isinstance(value, dict) and isinstance(type_, Object):
        return [_block(cast("dict[str, Any]", value), read_fields(type_.cls), token)]
    if isinstance(value, dict) and isinstance(type_, MapOf):
        return value
    if isinstance(value, list) and isinstance(type_, ListOf):
        items = cast("list[Any]", value)
        if isinstance(type_.item, Object):
            fields = read_fields(type_.item.cls)
            return [_block(item, fields, token) for item in items]
        return items
    return value


def _block(value: Mapping[str, Any], fields: Fields, token: str) -> dict[str, Any]:
    return {
        rename(token, key): _convert(item, fields[key].type if key in fields else None, token)
        for key, item in value.items()
    }
