"""Writes resources of azure-native, whose types are those of Azure Resource Manager, as an ARM template."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tools.planned_resources.deployed import PlannedResource

_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_RENAMED = {"networkRuleSet": "networkAcls", "enableHttpsTrafficOnly": "supportsHttpsTrafficOnly"}
"""Members whose names in Azure's API differ from those in Pulumi's SDK."""
_TOP = {"location", "tags", "sku", "identity", "kind", "zones", "plan", "extendedLocation"}
"""Members of a resource that are not in its `properties`."""


def make_template(resources: Iterable[PlannedResource]) -> dict[str, Any]:
    """Return the template that creates the resources of `azure-native`."""
    chosen = [item for item in resources if item.package == "azure-native" and "/providers/" in item.id]
    return {
        "$schema": _SCHEMA,
        "contentVersion": "1.0.0.0",
        "resources": [_resource(item) for item in chosen],
    }


def _resource(item: PlannedResource) -> dict[str, Any]:
    type_, name = _split_id(item.id)
    top = {key: value for key, value in item.inputs.items() if key in _TOP}
    properties = {
        _RENAMED.get(key, key): value for key, value in item.inputs.items() if key not in _TOP and key != "properties"
    }
    properties |= item.inputs.get("properties", {})
    # The version is not in the resource: Pulumi's SDK has one for each type, and no scanner reads it.
    return {"type": type_, "apiVersion": "2024-01-01", "name": name, **top, "properties": properties}


def _split_id(id_: str) -> tuple[str, str]:
    """Return the type and the name of an id: `Microsoft.KeyVault/vaults/keys` and `vault/key`."""
    namespace, *parts = id_.rpartition("/providers/")[2].split("/")
    return "/".join([namespace, *parts[::2]]), "/".join(parts[1::2])
