"""Functions of the clouds. Most are templates in `data/*.yaml`; some are computed here."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import yaml

from novacron_rehearsal.clouds import cloud_data, sdk, templates
from novacron_rehearsal.clouds.provider_config import CERTIFICATE, GENERATED, ProviderConfig, digest, generate_value
from novacron_rehearsal.clouds.state import CloudState
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.values import UNKNOWN, PropertyMap, Value, without_secrets


class UnknownFunctionError(RehearsalError):
    """The simulation lacks this function."""


def call_function(
    token: str, arguments: PropertyMap, config: ProviderConfig, existing: CloudState | None = None
) -> PropertyMap:
    """Return a function's result: the arguments, and what the cloud adds.

    Args:
        token: the function.
        arguments: its arguments.
        config: the provider's configuration.
        existing: the resources that exist, for functions that read them.

    Raises:
        UnknownFunctionError: when the simulation lacks the function.
    """
    plain = sdk.normalize_token(token)
    functions = cloud_data.load_cloud(config.package).functions
    if plain not in functions:
        known = f"; it has {', '.join(sorted(functions))}" if functions else ""
        raise UnknownFunctionError(
            f"the simulated {config.package} lacks the function {token}{known}. Give the program the value as "
            "configuration, or add the function under `functions` in "
            f"novacron_rehearsal/clouds/data/{config.package}.yaml"
        )
    given = {key: without_secrets(value) for key, value in arguments.items()}
    if plain in _READING:
        return _READING[plain](given, config, existing or CloudState())
    if plain in _COMPUTED:
        return _COMPUTED[plain](given, config)
    seed = digest(plain, given, config.variables)

    def lookup(name: str) -> Value:
        if given.get(name) is not None:
            return given[name]
        return generate_value(name, seed) if name in GENERATED else config.variables[name]

    result = templates.fill(functions[plain], lookup)
    return {**given, **result} if isinstance(result, dict) else given


def _policy_document(arguments: PropertyMap, config: ProviderConfig) -> PropertyMap:
    """Return the JSON of a policy, as `aws.iam.getPolicyDocument` writes it."""
    statements: list[dict[str, Any]] = []
    for statement in _dicts(arguments.get("statements")):
        entry: dict[str, Any] = {"Sid": statement["sid"]} if statement.get("sid") else {}
        entry["Effect"] = statement.get("effect") or "Allow"
        for name in ("actions", "notActions", "resources", "notResources"):
            if statement.get(name):
                entry[name[0].upper() + name[1:-1]] = _one_or_many(statement[name])
        for name, key in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
            if principals := _dicts(statement.get(name)):
                entry[key] = {str(item["type"]): _one_or_many(item["identifiers"]) for item in principals}
                if entry[key] == {"*": "*"}:
                    entry[key] = "*"
        conditions: dict[str, dict[str, Any]] = {}
        for condition in _dicts(statement.get("conditions")):
            conditions.setdefault(str(condition["test"]), {})[str(condition["variable"])] = _one_or_many(
                condition["values"]
            )
        if conditions:
            entry["Condition"] = conditions
        statements.append(entry)
    document: dict[str, Any] = {"Version": arguments.get("version") or "2012-10-17"}
    if arguments.get("policyId"):
        document["Id"] = arguments["policyId"]
    document["Statement"] = statements
    return {
        **arguments,
        "id": digest(document, config.package)[:10],
        "json": json.dumps(document, indent=2),
        "minifiedJson": json.dumps(document, separators=(",", ":")),
    }


def _dicts(value: Value) -> list[dict[str, Value]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _one_or_many(value: Value) -> Value:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _cluster_credentials(arguments: PropertyMap, config: ProviderConfig) -> PropertyMap:
    """Return a kubeconfig for an AKS cluster: of the right form, for a server that does not exist."""
    name, seed = str(arguments.get("resourceName")), digest(arguments, config.variables)
    server = f"https://{name}-{seed[:8]}.hcp.{config.variables['location']}.azmk8s.io:443"
    user = f"clusterUser_{arguments.get('resourceGroupName')}_{name}"
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": CERTIFICATE}}],
        "users": [{"name": user, "user": {"token": f"simulated-{seed[:32]}"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }
    encoded = base64.b64encode(yaml.safe_dump(kubeconfig, sort_keys=False).encode()).decode()
    return {"kubeconfigs": [{"name": "clusterUser", "value": encoded}]}


def _decode_yaml(arguments: PropertyMap, config: ProviderConfig) -> PropertyMap:
    """Return the objects in YAML documents, and those in lists, as `kubernetes.yaml` reads its files."""
    del config
    text, namespace = arguments.get("text"), arguments.get("defaultNamespace")
    if text is UNKNOWN:
        return {"result": UNKNOWN}
    try:
        documents = [item for item in yaml.safe_load_all(str(text)) if item]
    except yaml.YAMLError as error:
        raise RehearsalError(f"kubernetes:yaml:decode: the text is not YAML: {error}") from error
    objects: list[Value] = []
    for document in documents:
        objects.extend(document["items"] if str(document.get("kind")).endswith("List") else [document])
    for item in objects:
        if namespace and isinstance(item, dict) and isinstance(metadata := item.get("metadata"), dict):
            metadata.setdefault("namespace", namespace)
    return {"result": objects}


def _node_group_names(arguments: PropertyMap, config: ProviderConfig, existing: CloudState) -> PropertyMap:
    """Return the names of the node groups of an EKS cluster."""
    groups = _list_node_groups(arguments, config, existing)
    return {**arguments, "id": arguments.get("clusterName"), "names": [group["nodeGroupName"] for group in groups]}


def _node_group(arguments: PropertyMap, config: ProviderConfig, existing: CloudState) -> PropertyMap:
    """Return the sizes of a node group of an EKS cluster. Raises RehearsalError when there is none of this name."""
    cluster, name = arguments.get("clusterName"), arguments.get("nodeGroupName")
    for group in _list_node_groups(arguments, config, existing):
        if group["nodeGroupName"] == name:
            return {**group, "id": f"{cluster}:{name}", "scalingConfigs": [group["scalingConfig"]], "status": "ACTIVE"}
    raise RehearsalError(f"ResourceNotFoundException: No node group found for name: {name} (simulated by NovaCron)")


def _list_node_groups(arguments: PropertyMap, config: ProviderConfig, existing: CloudState) -> list[PropertyMap]:
    groups = existing.list_inputs("aws:eks/nodeGroup:NodeGroup", config.region(arguments))
    return [group for group in groups if group["clusterName"] == arguments.get("clusterName")]


def _aks_cluster(arguments: PropertyMap, config: ProviderConfig, existing: CloudState) -> PropertyMap:
    """Return an AKS cluster with the profiles of its agent pools, and what a cluster outside of the simulation has."""
    seed = digest(arguments, config.variables)
    cluster = (arguments.get("resourceGroupName"), arguments.get("resourceName"))
    pools: list[Value] = [
        {**pool, "name": pool.get("agentPoolName")}
        for pool in existing.list_inputs("azure-native:containerservice:AgentPool", "")
        if (pool.get("resourceGroupName"), pool.get("resourceName")) == cluster
    ]
    identity: PropertyMap = {"principalId": generate_value("uuid", f"{seed}-control")}
    kubelet: PropertyMap = {"objectId": generate_value("uuid", f"{seed}-kubelet")}
    location = config.variables["location"]
    return {
        **arguments,
        "name": arguments.get("resourceName"),
        "agentPoolProfiles": pools,
        "currentKubernetesVersion": "1.35.0",
        "identity": {"type": "SystemAssigned", **identity},
        "identityProfile": {"kubeletidentity": kubelet},
        "oidcIssuerProfile": {"enabled": True, "issuerURL": f"https://{location}.oic.prod-aks.azure.com/{seed[:32]}/"},
        "securityProfile": {"workloadIdentity": {"enabled": True}},
        "aadProfile": {"managed": True},
    }


_READING: dict[str, Callable[[PropertyMap, ProviderConfig, CloudState], PropertyMap]] = {
    "aws:eks/getNodeGroup:getNodeGroup": _node_group,
    "aws:eks/getNodeGroups:getNodeGroups": _node_group_names,
    "azure-native:containerservice:getManagedCluster": _aks_cluster,
}
_COMPUTED: dict[str, Callable[[PropertyMap, ProviderConfig], PropertyMap]] = {
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
    "azure-native:containerservice:listManagedClusterAdminCredentials": _cluster_credentials,
    "azure-native:containerservice:listManagedClusterUserCredentials": _cluster_credentials,
    "kubernetes:yaml:decode": _decode_yaml,
}
