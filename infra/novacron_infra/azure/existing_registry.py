"""A container registry that exists: lookups of what it must have. Nothing here declares a resource."""

from __future__ import annotations

from pulumi_azure_native import containerregistry

from novacron_infra.azure.resource_ids import ResourceId
from novacron_infra.existing import Lookups, is_reported

_WITH_PRIVATE_LINK = "Premium"


def check_registry(lookups: Lookups, registry_id: str) -> None:
    """Look up a registry, and add a problem unless it can have a private endpoint."""
    id_ = ResourceId.parse(registry_id)
    group, name = id_.group, id_.name
    found = lookups.find(
        "registry",
        registry_id,
        "registry",
        f"az acr list --resource-group {group} --query [].id",
        lambda: containerregistry.get_registry(registry_name=name, resource_group_name=group, opts=lookups.opts),
    )
    if found is not None and is_reported(found.sku):
        rule = f"its tier is {found.sku.name}, and a private endpoint needs {_WITH_PRIVATE_LINK}"
        holds = found.sku.name == _WITH_PRIVATE_LINK
        lookups.require(holds, "registry", registry_id, rule, f"Run `az acr update --name {name} --sku Premium`")
