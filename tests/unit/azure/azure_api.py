"""Planned resources as bodies of Azure's API, checked against the models that ship in azure-mgmt packages.

The models are independent of the Pulumi SDK: they say which members a body has, which of them only Azure writes, their
types and the values of enumerations. What they do not say: lengths and patterns, which members exclude each other, and
whether a thing that is referred to exists. Lengths and patterns of names in a call's address are in
azure_addresses.yaml, copied from Microsoft's OpenAPI descriptions.
"""

from __future__ import annotations

import datetime as dt
import importlib
import re
import types
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml
from azure.mgmt.authorization.v2022_04_01 import models as authorization
from azure.mgmt.compute import models as compute
from azure.mgmt.containerregistry import models as containerregistry
from azure.mgmt.containerservice import models as containerservice
from azure.mgmt.keyvault import models as keyvault
from azure.mgmt.loganalytics import models as loganalytics
from azure.mgmt.monitor import models as monitor
from azure.mgmt.msi.v2024_11_30 import models as msi
from azure.mgmt.network import models as network
from azure.mgmt.postgresqlflexibleservers import models as postgres
from azure.mgmt.privatedns import models as privatedns
from azure.mgmt.redisenterprise import models as redis
from azure.mgmt.storage import models as storage
from azure.mgmt.storagecache import models as storagecache

from tests.unit.graph import Registered

MODELS: dict[str, type] = {
    "authorization:RoleAssignment": authorization.RoleAssignmentCreateParameters,
    "compute:DiskEncryptionSet": compute.DiskEncryptionSet,
    "compute:ProximityPlacementGroup": compute.ProximityPlacementGroup,
    "containerregistry:Registry": containerregistry.Registry,
    "containerservice:AgentPool": containerservice.AgentPool,
    "containerservice:MaintenanceConfiguration": containerservice.MaintenanceConfiguration,
    "containerservice:ManagedCluster": containerservice.ManagedCluster,
    "dbforpostgresql:Configuration": postgres.Configuration,
    "dbforpostgresql:Database": postgres.Database,
    "dbforpostgresql:Server": postgres.Server,
    "keyvault:Key": keyvault.KeyCreateParameters,
    "keyvault:Secret": keyvault.SecretCreateOrUpdateParameters,
    "keyvault:Vault": keyvault.VaultCreateOrUpdateParameters,
    "managedidentity:FederatedIdentityCredential": msi.FederatedIdentityCredential,
    "managedidentity:UserAssignedIdentity": msi.Identity,
    "monitor:DataCollectionRule": monitor.DataCollectionRuleResource,
    "monitor:DataCollectionRuleAssociation": monitor.DataCollectionRuleAssociationProxyOnlyResource,
    "monitor:MetricAlert": monitor.MetricAlertResource,
    "network:FlowLog": network.FlowLog,
    "network:NatGateway": network.NatGateway,
    "network:NetworkSecurityGroup": network.NetworkSecurityGroup,
    "network:PrivateDnsZoneGroup": network.PrivateDnsZoneGroup,
    "network:PrivateEndpoint": network.PrivateEndpoint,
    "network:PublicIPAddress": network.PublicIPAddress,
    "network:Subnet": network.Subnet,
    "network:VirtualNetwork": network.VirtualNetwork,
    "operationalinsights:Workspace": loganalytics.Workspace,
    "privatedns:PrivateZone": privatedns.PrivateZone,
    "privatedns:VirtualNetworkLink": privatedns.VirtualNetworkLink,
    "redisenterprise:Database": redis.Database,
    "redisenterprise:RedisEnterprise": redis.Cluster,
    "storage:BlobContainer": storage.BlobContainer,
    "storage:BlobServiceProperties": storage.BlobServiceProperties,
    "storage:FileShare": storage.FileShare,
    "storage:ManagementPolicy": storage.ManagementPolicy,
    "storage:ObjectReplicationPolicy": storage.ObjectReplicationPolicy,
    "storage:StorageAccount": storage.StorageAccountCreateParameters,
    "storagecache:AmlFilesystem": storagecache.AmlFilesystem,
}
"""The body of the call that creates each type of resource."""

NO_MODELS = {"monitor:DiagnosticSetting", "resources:DeploymentAtSubscriptionScope"}
"""Types whose packages have no models."""

IN_PATH = {
    "accountName",
    "agentPoolName",
    "associationName",
    "blobServicesName",
    "clusterName",
    "configName",
    "configurationName",
    "containerName",
    "databaseName",
    "federatedIdentityCredentialResourceName",
    "keyName",
    "managementPolicyName",
    "networkWatcherName",
    "objectReplicationPolicyId",
    "privateEndpointName",
    "privateZoneName",
    "registryName",
    "resourceGroupName",
    "resourceName",
    "resourceUri",
    "scope",
    "secretName",
    "serverName",
    "shareName",
    "subnetName",
    "vaultName",
    "virtualNetworkName",
}
"""Inputs that are part of the call's path."""


@dataclass(frozen=True, kw_only=True)
class NameRule:
    """Rule of Microsoft's API description for a name in a call's path."""

    source: str
    """File in github.com/Azure/azure-rest-api-specs."""
    version: str
    """Version of the API that it describes."""
    pattern: str = ".*"
    min_length: int = 0
    """Characters."""
    max_length: int | None = None
    """Characters; None: not stated."""
    values: tuple[str, ...] = ()
    """The only ones, where there are such."""

    def problem(self, name: str) -> str | None:
        """Return the problems of a name by this rule."""
        if self.values and name not in self.values:
            return f"{name!r} is none of {list(self.values)}"
        if len(name) < self.min_length or (self.max_length is not None and len(name) > self.max_length):
            return f"{name!r} has {len(name)} characters, not {self.min_length} to {self.max_length or 'any number'}"
        if not re.fullmatch(self.pattern, name):
            return f"{name!r} does not match {self.pattern}"
        return None


def _name_rules() -> dict[tuple[str, str], NameRule]:
    held = yaml.safe_load((Path(__file__).parent / "azure_addresses.yaml").read_text(encoding="utf-8"))
    found: dict[tuple[str, str], NameRule] = {}
    for type_, rules in held["rules"].items():
        for name, rule in rules.items():
            source = held["sources"][rule["source"]]
            found[type_, name] = NameRule(
                source=f"specification/{source['path']}",
                version=str(source["version"]),
                **{key: tuple(value) if key == "values" else value for key, value in rule.items() if key != "source"},
            )
    return found


NAME_RULES = _name_rules()
"""By type and input; the type "*" is every one."""


def name_rule(type_: str, name: str) -> NameRule | None:
    """Return the rule of an input in the call's path, or None if Microsoft's description has none."""
    return NAME_RULES.get((type_, name)) or NAME_RULES.get(("*", name))


_API_NAMES = {
    "enableHttpsTrafficOnly": "supportsHttpsTrafficOnly",
    "encryptionIdentity": "identity",
    "encryptionUserAssignedIdentity": "userAssignedIdentity",
    "keyName": "keyname",
    "keyVaultProperties": "keyvaultproperties",
    "keyVaultUri": "keyvaulturi",
    "networkRuleSet": "networkAcls",
    "odataType": "odata.type",
}
"""Members that the SDK names differently."""


_MORE_VALUES = {
    "KnownExtensionDataSourceStreams": {"Microsoft-ContainerLogV2"},
    "KnownDataFlowStreams": {"Microsoft-ContainerLogV2"},
}
"""Values of open enumerations that the models lack (Azure Monitor, Container insights, read on 2026-11-30)."""


def problems(resource: Registered) -> list[str]:
    """Return the problems of a planned resource by Azure's models."""
    body = {name: value for name, value in resource.inputs.items() if name not in IN_PATH}
    if "identity" in body:  # the SDK takes a list of ids, the API a mapping of them
        identities = {name: {} for name in body["identity"]["userAssignedIdentities"]}
        body["identity"] = {**body["identity"], "userAssignedIdentities": identities}
    type_ = resource.type.removeprefix("azure-native:")
    found = [f"{resource.name}{text}" for text in _check(body, MODELS[type_], "")]
    for name in resource.inputs.keys() & IN_PATH:
        rule = name_rule(type_, name)
        problem = rule.problem(resource.inputs[name]) if rule else None
        if problem:
            found.append(f"{resource.name}.{name}: {problem}")
    return found


@cache
def _members(model: type) -> dict[str, tuple[Any, bool]]:
    """By the API's name: the type, and whether only Azure writes it."""
    module = importlib.import_module(model.__module__)
    package = importlib.import_module(model.__module__.rpartition(".")[0])
    known = vars(module) | {"_models": package, "datetime": dt, "JSON": dict}
    if hasattr(model, "_attribute_map"):  # an older generator's, which lifts members of `properties` itself
        hints = get_type_hints(model.__init__, known)
        read_only = {name for name, rules in model._validation.items() if rules.get("readonly")}
        return {
            re.split(r"(?<!\\)\.", item["key"])[-1].replace("\\.", "."): (hints.get(name, Any), name in read_only)
            for name, item in model._attribute_map.items()
        }
    hints = get_type_hints(model, known)
    fields = model()._attr_to_rest_field
    return {item._rest_name: (hints[name], item._visibility == ["read"]) for name, item in fields.items()}


def _check(value: Any, type_: Any, where: str) -> Iterator[str]:
    origin, inner = get_origin(type_), get_args(type_)
    if origin in (Union, types.UnionType):
        # An enumeration that Azure may extend is a union with str: here only what it has today.
        choices = [item for item in inner if item is not type(None)]
        yield from _check(value, next((item for item in choices if _is_class(item, Enum)), choices[0]), where)
    elif origin is list:
        if not isinstance(value, list):
            yield f"{where}: {value!r} is not a list"
            return
        for index, item in enumerate(value):
            yield from _check(item, inner[0], f"{where}.{index}")
    elif origin in (dict, MutableMapping):
        if not isinstance(value, Mapping):
            yield f"{where}: {value!r} is not a mapping"
            return
        for key, item in value.items():
            yield from _check(item, inner[1], f"{where}.{key}")
    elif _is_class(type_, Enum):
        if value not in {item.value for item in type_} | _MORE_VALUES.get(type_.__name__, set()):
            yield f"{where}: {value!r} is none of {[item.value for item in type_]}"
    elif isinstance(type_, type) and any(base.__name__ == "Model" for base in type_.__mro__):
        yield from _check_model(value, type_, where)
    elif not _is(value, type_):
        yield f"{where}: {value!r} is not of type {getattr(type_, '__name__', type_)}"


def _check_model(value: Any, model: type, where: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{where}: {value!r} is not a {model.__name__}"
        return
    model = _subtype(value, model)
    members = _members(model)
    inside = {}
    if "properties" in members:
        (properties, *_) = [item for item in get_args(members["properties"][0]) if item is not type(None)] or [None]
        inside = _members(properties) if isinstance(properties, type) else {}
    for name, item in value.items():
        api_name = name if name in members or name in inside else _API_NAMES.get(name, name)
        found = members.get(api_name)
        # The SDK lifts members of `properties`. `type` and others are in both, and writable only there.
        if (found is None or found[1]) and api_name in inside:
            found = inside[api_name]
        if found is None:
            yield f"{where}.{name}: {model.__name__} has no such member"
            continue
        type_, only_azure = found
        if only_azure:
            yield f"{where}.{name}: only Azure writes it"
        yield from _check(item, type_, f"{where}.{name}")


def _subtype(value: Mapping[str, Any], model: Any) -> Any:
    """An older generator's model of the kind that the value names, such as a metric alert's criteria."""
    for discriminator, kinds in getattr(model, "_subtype_map", {}).items():
        kind = value.get(re.sub(r"_(.)", lambda match: match[1].upper(), discriminator))
        if kind in kinds:
            return getattr(importlib.import_module(model.__module__), kinds[kind])
    return model


def _is_class(type_: Any, base: type) -> bool:
    return isinstance(type_, type) and issubclass(type_, base)


def _is(value: Any, type_: Any) -> bool:
    if type_ is bool:
        return isinstance(value, bool)
    if type_ is int:
        return not isinstance(value, bool) and isinstance(value, int | float) and float(value).is_integer()
    if type_ is float:
        return not isinstance(value, bool) and isinstance(value, int | float)
    if type_ in (str, dt.time, dt.date, dt.datetime, dt.timedelta):
        return isinstance(value, str)
    return type_ is Any
