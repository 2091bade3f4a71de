"""Mocks of Azure, and the graph of a program that runs against them."""

from __future__ import annotations

import base64
from typing import Any

import pulumi_azure_native as azure_native
import yaml
from pulumi.runtime import mocks

from tests.unit.graph import Graph, Program, record

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


def resource_id(type_: str, name: str) -> str:
    """Return the id of a mocked resource. It has the type of the SDK in place of the type of the API."""
    return f"{GROUP}/providers/{type_.removeprefix('azure-native:').replace(':', '/')}/{name}"


class _Mocks(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs: dict[str, Any] = {"name": args.name, **args.inputs}
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

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        given = base64.b64encode(yaml.safe_dump(GIVEN).encode()).decode()
        results: dict[str, dict[str, Any]] = {
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
        }
        return results[args.token], []


def declare(program: Program) -> Graph:
    """Return the graph of a program, as of its first update."""
    return record(program, _Mocks(), lambda: azure_native.Provider("explicit", location="westus2"))
