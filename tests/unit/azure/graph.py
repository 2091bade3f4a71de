"""Runs components against mocks and keeps what they register, with the options that a user relies on."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_azure_native as azure_native
import yaml
from pulumi.runtime import mocks

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/novacron"
GIVEN = {
    "clusters": [
        {
            "name": "prod",
            "cluster": {"server": "https://prod.privatelink.westus2", "certificate-authority-data": "Q0E="},
        }
    ],
    "users": [{"name": "clusterUser", "user": {"token": "secret-of-the-given-one"}}],
}


@dataclass(frozen=True)
class Registered:
    """A resource as the engine would see it."""

    type: str
    name: str
    inputs: dict[str, Any]
    secrets: tuple[str, ...]
    """Dotted paths of secret inputs."""
    parent: str
    provider: str
    protect: bool
    ignore_changes: tuple[str, ...]
    delete_before_replace: bool
    dependencies: tuple[str, ...]
    """Type and name of each."""


@dataclass
class Graph:
    """Resources that a program registered."""

    resources: list[Registered] = field(default_factory=list)
    invokes: list[tuple[str, str]] = field(default_factory=list)
    """Token and provider of each."""
    result: Any = None
    """The program's result, with resolved outputs."""

    def of(self, type_: str) -> list[Registered]:
        return [item for item in self.resources if item.type == f"azure-native:{type_}"]

    def one(self, type_: str, name: str | None = None) -> Registered:
        (found,) = [item for item in self.of(type_) if name is None or item.name == name]
        return found

    @property
    def custom(self) -> list[Registered]:
        return [item for item in self.resources if item.type.startswith("azure-native:")]


def resource_id(type_: str, name: str) -> str:
    """The id of a mocked resource: its type is the SDK's, which is enough to tell resources apart."""
    return f"{GROUP}/providers/{type_.removeprefix('azure-native:').replace(':', '/')}/{name}"


class _Mocks(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = {"name": args.name, **args.inputs}
        kind = args.typ.removeprefix("azure-native:")
        if "identity" in outputs:  # a list goes in, a mapping by id comes out
            identities = {
                id_: {"principalId": "p", "clientId": "c"} for id_ in outputs["identity"]["userAssignedIdentities"]
            }
            outputs["identity"] = {**outputs["identity"], "userAssignedIdentities": identities}
        if kind == "keyvault:Vault":
            vault = args.inputs["vaultName"]
            outputs["name"] = vault
            outputs["properties"] = {**args.inputs["properties"], "vaultUri": f"https://{vault}.vault.azure.net/"}
        if kind == "keyvault:Key":
            outputs["name"] = args.inputs["keyName"]
            outputs["keyUri"] = f"https://keys.vault.azure.net/keys/{args.inputs['keyName']}"
            outputs["keyUriWithVersion"] = f"{outputs['keyUri']}/{'0' * 32}"
        if kind == "keyvault:Secret":
            address = f"https://{args.inputs['vaultName']}.vault.azure.net/secrets/{args.inputs['secretName']}"
            outputs["properties"] = {**mocks.rpc.unwrap_rpc_secret(args.inputs["properties"]), "secretUri": address}
        if kind == "managedidentity:UserAssignedIdentity":
            outputs |= {"principalId": f"principal-{args.name}", "clientId": f"client-{args.name}"}
        if kind == "operationalinsights:Workspace":
            outputs["customerId"] = "11111111-1111-1111-1111-111111111111"
        if kind == "containerservice:ManagedCluster":
            outputs["name"] = args.inputs["resourceName"]
            outputs["oidcIssuerProfile"] = {"enabled": True, "issuerURL": "https://westus2.oic.prod-aks.azure.com/1/"}
        if kind == "containerservice:AgentPool":
            outputs["name"] = args.inputs["agentPoolName"]
        if kind == "storagecache:AmlFilesystem":
            outputs["clientInfo"] = {"mgsAddress": "10.0.192.4"}
        if kind == "storage:StorageAccount":
            outputs["name"] = args.inputs["accountName"]
        if kind == "storage:BlobContainer":
            outputs["name"] = args.inputs["containerName"]
        if kind == "storage:FileShare":
            outputs["name"] = args.inputs["shareName"]
        if kind == "storage:ObjectReplicationPolicy":
            rules = [{"ruleId": f"rule-{args.name}", **rule} for rule in args.inputs["rules"]]
            outputs |= {"policyId": f"policy-{args.name}", "rules": rules}
        if kind == "dbforpostgresql:Server":
            outputs["name"] = args.inputs["serverName"]
            outputs["fullyQualifiedDomainName"] = f"{args.inputs['serverName']}.postgres.database.azure.com"
        if kind == "redisenterprise:RedisEnterprise":
            outputs["name"] = args.inputs["clusterName"]
            outputs["hostName"] = f"{args.inputs['clusterName']}.westus2.redis.azure.net"
        if kind == "containerregistry:Registry":
            outputs["loginServer"] = f"{args.inputs['registryName']}.azurecr.io"
        if kind == "network:PublicIPAddress":
            outputs["ipAddress"] = "203.0.113.7"
        if kind == "random:index/randomPassword:RandomPassword":
            outputs["result"] = "generated"
        if kind == "resources:ResourceGroup":
            outputs["name"] = args.inputs["resourceGroupName"]
        return resource_id(args.typ, args.name), outputs

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        given = base64.b64encode(yaml.safe_dump(GIVEN).encode()).decode()
        return {
            "azure-native:authorization:getClientConfig": {
                "clientId": "c",
                "objectId": "o",
                "subscriptionId": SUBSCRIPTION,
                "tenantId": "22222222-2222-2222-2222-222222222222",
            },
            "azure-native:containerservice:listManagedClusterUserCredentials": {
                "kubeconfigs": [{"name": "clusterUser", "value": given}]
            },
            "azure-native:redisenterprise:listDatabaseKeys": {"primaryKey": "made-by-azure", "secondaryKey": "other"},
        }[args.token]


class _Monitor(mocks.MockMonitor):
    def __init__(self, graph: Graph) -> None:
        super().__init__(_Mocks())
        self.graph = graph

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        response = super().RegisterResource(request)
        if request.type.startswith(("azure-native:", "novacron:")):
            secrets: list[str] = []
            inputs = _shown(mocks.rpc.deserialize_properties(request.object), "", secrets)
            self.graph.resources.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    inputs=inputs,
                    secrets=tuple(secrets),
                    parent=request.parent.rpartition("::")[2],
                    provider=request.provider,
                    protect=request.protect,
                    ignore_changes=tuple(request.ignoreChanges),
                    delete_before_replace=request.deleteBeforeReplace,
                    dependencies=tuple(sorted(_short(urn) for urn in request.dependencies)),
                )
            )
        return response

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        self.graph.invokes.append((request.tok, request.provider))
        return super().Invoke(request)


def _shown(value: Any, path: str, secrets: list[str]) -> Any:
    """The value without what marks secrets, whose paths are added."""
    if mocks.rpc.is_rpc_secret(value):
        secrets.append(path)
        value = mocks.rpc.unwrap_rpc_secret(value)
    if isinstance(value, dict):
        return {key: _shown(item, f"{path}.{key}" if path else key, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item, f"{path}.{index}", secrets) for index, item in enumerate(value)]
    return value


def _short(urn: str) -> str:
    """Service, type and name: names repeat between types."""
    kind, name = urn.split("::")[-2:]
    return f"{kind.rpartition('$')[2].removeprefix('azure-native:')} {name}"


def declare(program: Callable[[pulumi.ResourceOptions], Any]) -> Graph:
    """Run `program` with the options of an explicit provider. It may return outputs."""
    graph = Graph()
    pulumi.runtime.set_mocks(_Mocks(), project="novacron", stack="test", monitor=_Monitor(graph))

    @pulumi.runtime.test
    def run() -> pulumi.Output[Any]:
        provider = azure_native.Provider("explicit", location="westus2")
        result = program(pulumi.ResourceOptions(provider=provider))
        return pulumi.Output.from_input(result).apply(lambda value: setattr(graph, "result", value))

    run()
    return graph
