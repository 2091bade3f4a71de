"""Planned resources as Google Cloud API calls, checked against the discovery documents of google-api-python-client.

The documents are independent of the Pulumi SDK. They have the members of a request, their types, enumerations, patterns
and output-only members. They do not state which members exclude each other, nor whether a referenced resource exists.
Managed Lustre has no document there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient

from tests.unit.gcp.graph import PROJECT, Registered

AUTONAME = "-1234567"
"""Suffix that the provider adds to a logical name without a physical one."""
_DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"


@dataclass(frozen=True)
class Call:
    """The call that creates a resource."""

    api: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    """By the resource's property: the path of the request's member, or a parameter with `?` in front."""
    own_name: str = "name"
    """Where the physical name goes if none is given; empty for a resource without."""


def _compute(collection: str, *same: str, method: str = "insert", own_name: str = "name", **fields: str) -> Call:
    return Call("compute.v1", f"{collection}.{method}", {name: name for name in same} | fields, own_name)


def _same(*names: str, **fields: str) -> dict[str, str]:
    return {name: name for name in names} | fields


def _grant(api: str, method: str, resource: str, policy: str = "policy.", parameter: str = "?resource") -> Call:
    binding = f"{policy}bindings.0."
    return Call(
        api,
        method,
        {
            resource: parameter,
            "role": f"{binding}role",
            "member": f"{binding}members.0",
            "condition": f"{binding}condition",
        },
        "",
    )


CALLS: dict[str, Call] = {
    "gcp:artifactregistry/repository:Repository": Call(
        "artifactregistry.v1",
        "projects.locations.repositories.create",
        _same(
            "format",
            "kmsKeyName",
            "dockerConfig",
            "vulnerabilityScanningConfig",
            "cleanupPolicies",
            "labels",
            repositoryId="?repositoryId",
            location="?parent",
        ),
        "",
    ),
    "gcp:compute/address:Address": _compute("addresses", "addressType", "networkTier", "labels", region="?region"),
    "gcp:compute/disk:Disk": _compute(
        "disks",
        "type",
        "provisionedThroughput",
        "accessMode",
        "diskEncryptionKey",
        "labels",
        zone="?zone",
        size="sizeGb",
    ),
    "gcp:compute/firewall:Firewall": _compute(
        "firewalls", "network", "description", "direction", "sourceRanges", allows="allowed"
    ),
    "gcp:compute/globalAddress:GlobalAddress": _compute(
        "globalAddresses", "network", "addressType", "purpose", "address", "prefixLength", "labels"
    ),
    "gcp:compute/network:Network": _compute(
        "networks", "autoCreateSubnetworks", "mtu", "networkProfile", routingMode="routingConfig.routingMode"
    ),
    "gcp:compute/router:Router": _compute("routers", "network", region="?region"),
    "gcp:compute/routerNat:RouterNat": _compute(
        "routers",
        method="patch",
        own_name="nats.0.name",
        router="?router",
        region="?region",
        **{name: f"nats.0.{name}" for name in ("natIpAllocateOption", "sourceSubnetworkIpRangesToNat", "logConfig")},
    ),
    "gcp:compute/subnetwork:Subnetwork": _compute(
        "subnetworks",
        "network",
        "ipCidrRange",
        "secondaryIpRanges",
        "privateIpGoogleAccess",
        "logConfig",
        region="?region",
    ),
    "gcp:container/cluster:Cluster": Call(
        "container.v1",
        "projects.locations.clusters.create",
        {"location": "?parent"}
        | {
            name: f"cluster.{name}"
            for name in (
                "name",
                "releaseChannel",
                "network",
                "subnetwork",
                "ipAllocationPolicy",
                "initialNodeCount",
                "privateClusterConfig",
                "masterAuthorizedNetworksConfig",
                "controlPlaneEndpointsConfig",
                "authenticatorGroupsConfig",
                "databaseEncryption",
                "workloadIdentityConfig",
                "loggingConfig",
                "monitoringConfig",
                "addonsConfig",
                "securityPostureConfig",
                "costManagementConfig",
                "resourceLabels",
            )
        }
        | {
            "nodeLocations": "cluster.locations",
            "minMasterVersion": "cluster.initialClusterVersion",
            "defaultMaxPodsPerNode": "cluster.defaultMaxPodsConstraint.maxPodsPerNode",
            "datapathProvider": "cluster.networkConfig.datapathProvider",
            "enableMultiNetworking": "cluster.networkConfig.enableMultiNetworking",
            "enableShieldedNodes": "cluster.shieldedNodes.enabled",
            "enableLegacyAbac": "cluster.legacyAbac.enabled",
        },
        "cluster.name",
    ),
    "gcp:container/nodePool:NodePool": Call(
        "container.v1",
        "projects.locations.clusters.nodePools.create",
        {"cluster": "?parent", "location": "?parent"}
        | {
            name: f"nodePool.{name}"
            for name in (
                "initialNodeCount",
                "autoscaling",
                "management",
                "upgradeSettings",
                "placementPolicy",
                "queuedProvisioning",
                "networkConfig",
            )
        }
        | {
            "nodeLocations": "nodePool.locations",
            "nodeCount": "nodePool.initialNodeCount",
            "nodeConfig": "nodePool.config",
        },
        "nodePool.name",
    ),
    "gcp:filestore/instance:Instance": Call(
        "file.v1",
        "projects.locations.instances.create",
        {name: name for name in ("tier", "protocol", "networks", "kmsKeyName", "deletionProtectionEnabled", "labels")}
        | {"location": "?parent", "fileShares": "fileShares.0"},
        "?instanceId",
    ),
    "gcp:kms/cryptoKey:CryptoKey": Call(
        "cloudkms.v1",
        "projects.locations.keyRings.cryptoKeys.create",
        {name: name for name in ("purpose", "rotationPeriod", "destroyScheduledDuration", "labels")}
        | {"keyRing": "?parent"},
        "?cryptoKeyId",
    ),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": _grant(
        "cloudkms.v1", "projects.locations.keyRings.cryptoKeys.setIamPolicy", "cryptoKeyId"
    ),
    "gcp:kms/keyRing:KeyRing": Call(
        "cloudkms.v1", "projects.locations.keyRings.create", {"location": "?parent"}, "?keyRingId"
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": Call(
        "monitoring.v3",
        "projects.alertPolicies.create",
        _same("displayName", "combiner", "severity", "conditions", "notificationChannels", "userLabels"),
        "",
    ),
    "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy": Call(
        "networkconnectivity.v1",
        "projects.locations.serviceConnectionPolicies.create",
        _same("network", "serviceClass", "description", "pscConfig", "labels", location="?parent"),
        "?serviceConnectionPolicyId",
    ),
    "gcp:projects/iAMMember:IAMMember": _grant("cloudresourcemanager.v1", "projects.setIamPolicy", "project"),
    "gcp:projects/serviceIdentity:ServiceIdentity": Call(
        "serviceusage.v1beta1", "services.generateServiceIdentity", {"service": "?parent"}, ""
    ),
    "gcp:redis/cluster:Cluster": Call(
        "redis.v1",
        "projects.locations.clusters.create",
        _same(
            "nodeType",
            "shardCount",
            "replicaCount",
            "pscConfigs",
            "kmsKey",
            "transitEncryptionMode",
            "authorizationMode",
            "deletionProtectionEnabled",
            "labels",
            region="?parent",
        ),
        "?clusterId",
    ),
    "gcp:secretmanager/secret:Secret": Call(
        "secretmanager.v1", "projects.secrets.create", _same("replication", "labels", secretId="?secretId"), ""
    ),
    "gcp:secretmanager/secretIamMember:SecretIamMember": _grant(
        "secretmanager.v1", "projects.secrets.setIamPolicy", "secretId"
    ),
    "gcp:secretmanager/secretVersion:SecretVersion": Call(
        "secretmanager.v1", "projects.secrets.addVersion", {"secret": "?parent", "secretData": "payload.data"}, ""
    ),
    "gcp:serviceaccount/account:Account": Call(
        "iam.v1",
        "projects.serviceAccounts.create",
        {"accountId": "accountId", "displayName": "serviceAccount.displayName"},
        "",
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": _grant(
        "iam.v1", "projects.serviceAccounts.setIamPolicy", "serviceAccountId"
    ),
    "gcp:servicenetworking/connection:Connection": Call(
        "servicenetworking.v1",
        "services.connections.create",
        {"service": "?parent", "network": "network", "reservedPeeringRanges": "reservedPeeringRanges"},
        "",
    ),
    "gcp:sql/database:Database": Call("sqladmin.v1", "databases.insert", {"instance": "?instance", "name": "name"}),
    "gcp:sql/databaseInstance:DatabaseInstance": Call(
        "sqladmin.v1",
        "instances.insert",
        _same("region", "databaseVersion", "settings", encryptionKeyName="diskEncryptionConfiguration.kmsKeyName"),
    ),
    "gcp:sql/user:User": Call(
        "sqladmin.v1", "users.insert", {"instance": "?instance", "name": "name", "password": "password"}
    ),
    "gcp:storage/bucket:Bucket": Call(
        "storage.v1",
        "buckets.insert",
        {
            name: name
            for name in (
                "name",
                "location",
                "customPlacementConfig",
                "rpo",
                "storageClass",
                "encryption",
                "versioning",
                "labels",
            )
        }
        | {
            "uniformBucketLevelAccess": "iamConfiguration.uniformBucketLevelAccess.enabled",
            "publicAccessPrevention": "iamConfiguration.publicAccessPrevention",
            "lifecycleRules": "lifecycle.rule",
        },
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": _grant(
        "storage.v1", "buckets.setIamPolicy", "bucket", policy="", parameter="?bucket"
    ),
    "gcp:storage/transferJob:TransferJob": Call(
        "storagetransfer.v1",
        "transferJobs.create",
        _same("name", "description", "status", "transferSpec", "schedule", "replicationSpec"),
    ),
}
"""The call behind each type of resource."""

WITHOUT_DOCUMENT = {"gcp:lustre/instance:Instance"}

NOT_SENT = {
    "gcp:container/cluster:Cluster": {"deletionProtection", "networkingMode", "removeDefaultNodePool"},
    "gcp:servicenetworking/connection:Connection": {"deletionPolicy"},
    "gcp:sql/database:Database": {"deletionPolicy"},
    "gcp:sql/databaseInstance:DatabaseInstance": {"deletionProtection"},
    "gcp:sql/user:User": {"deletionPolicy"},
    "gcp:storage/bucket:Bucket": {"forceDestroy"},
}
"""Properties that steer the provider and reach no call."""

_LOCATED = "projects/{project}/locations/{location}"
_ADDRESSES = {
    ("gcp:artifactregistry/repository:Repository", "?parent"): _LOCATED,
    ("gcp:container/cluster:Cluster", "?parent"): _LOCATED,
    ("gcp:container/nodePool:NodePool", "?parent"): _LOCATED + "/clusters/{cluster}",
    ("gcp:filestore/instance:Instance", "?parent"): _LOCATED,
    ("gcp:kms/keyRing:KeyRing", "?parent"): _LOCATED,
    ("gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy", "?parent"): _LOCATED,
    ("gcp:projects/serviceIdentity:ServiceIdentity", "?parent"): "projects/{project}/services/{service}",
    ("gcp:redis/cluster:Cluster", "?parent"): "projects/{project}/locations/{region}",
    ("gcp:servicenetworking/connection:Connection", "?parent"): "services/{service}",
}
"""By type and parameter: the address that the provider makes of the properties in it."""
_LOCATION = "[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
"""Patterns of a region and a zone in the document of Compute Engine."""

_RENAMED = {
    "LoggingConfig.enableComponents": "componentConfig.enableComponents",
    "MonitoringConfig.enableComponents": "componentConfig.enableComponents",
    "MonitoringConfig.managedPrometheus": "managedPrometheusConfig",
    "NodeConfig.guestAccelerators": "accelerators",
    "AcceleratorConfig.type": "acceleratorType",
    "AcceleratorConfig.count": "acceleratorCount",
    "CustomerEncryptionKey.kmsKeySelfLink": "kmsKeyName",
    "allowed.protocol": "IPProtocol",
    "condition.withState": "isLive",
    "Settings.diskType": "dataDiskType",
    "Settings.diskSize": "dataDiskSizeGb",
    "Settings.diskAutoresize": "storageAutoResize",
}
"""By schema, or by member where it has no name of its own: what the provider calls otherwise than the API."""
_VALUES: dict[Any, Any] = {"TRUE": True, "FALSE": False, "LIVE": True, "ARCHIVED": False}
"""How the provider writes what the API has as a boolean."""


@cache
def document(name: str) -> dict[str, Any]:
    """The document of an API and version, such as container.v1."""
    return json.loads((_DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))


def problems(resource: Registered) -> list[str]:
    """Return the problems of a planned resource: violations of the document, and properties that no call has."""
    if resource.type in WITHOUT_DOCUMENT:
        return []
    call = CALLS.get(resource.type)
    if call is None:
        return [f"{resource.name}: no call is known for {resource.type}"]
    method = _method(call)
    inputs = {name: value for name, value in resource.inputs.items() if name not in NOT_SENT.get(resource.type, set())}
    found = [f"{resource.name}.{name}: no call takes it" for name in inputs if name not in call.fields]
    placed = [(call.fields[name], value) for name, value in inputs.items() if name in call.fields]
    if call.own_name and call.own_name not in {path for path, _ in placed}:
        placed.append((call.own_name, resource.name + AUTONAME))
    for path, value in placed:
        where = f"{resource.name}: {call.method} {path}"
        if path.startswith("?"):
            if path[1:] not in method["parameters"] or not isinstance(value, str):
                found.append(f"{where}: {value!r} is not a parameter of it")
            continue  # values of one parameter are checked together below
        body = {"$ref": method["request"]["$ref"]}
        found += [f"{where}{text}" for text in _check(value, *_at(call.api, body, path.split(".")), call.api)]
    for parameter in {call.fields[name] for name in inputs if is_constrained(resource.type, name)}:
        template = _ADDRESSES.get((resource.type, parameter), f"{{{parameter[1:]}}}")  # compute's are one property each
        value = template.format(project=PROJECT, **inputs)
        pattern = method["parameters"][parameter[1:]]["pattern"]
        if not re.fullmatch(pattern, value):
            found.append(f"{resource.name}: {call.method} {parameter}: {value!r} does not match {pattern}")
    # Of a location the documents say only that it has no slash; compute's says what a region or a zone looks like.
    found += [
        f"{resource.name}.{name}: {inputs[name]!r} does not match {_LOCATION}"
        for name in ("location", "region")
        if call.fields.get(name) == "?parent" and name in inputs and not re.fullmatch(_LOCATION, str(inputs[name]))
    ]
    return found


def is_constrained(type_: str, name: str) -> bool:
    """Return whether a document has a pattern for the parameter of a property, and the plan has its whole value.

    References to other resources by id are not constrained, because mocked ids are not real ones.
    """
    call = CALLS[type_]
    path = call.fields.get(name, "")
    if not path.startswith("?") or "pattern" not in _method(call)["parameters"].get(path[1:], {}):
        return False
    return call.api == "compute.v1" or (type_, path) in _ADDRESSES


def _method(call: Call) -> dict[str, Any]:
    holder = document(call.api)
    *collections, method = call.method.split(".")
    for collection in collections:
        holder = holder["resources"][collection]
    return holder["methods"][method]


def _resolved(api: str, schema: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    if "$ref" in schema:
        return document(api)["schemas"][schema["$ref"]], schema["$ref"]
    return schema, name


def _at(api: str, schema: dict[str, Any], steps: list[str]) -> tuple[dict[str, Any], str]:
    """The schema at a path, and the name of the schema or member that it is."""
    name = ""
    for step in steps:
        schema, _ = _resolved(api, schema, name)
        if not step.isdigit():
            name = step
        schema = schema["items"] if step.isdigit() else schema["properties"][step]
    return schema, name


def _check(value: Any, schema: dict[str, Any], name: str, api: str) -> Iterator[str]:
    if schema.get("readOnly") or re.match(r"\[?output only", schema.get("description", ""), re.IGNORECASE):
        yield ": it is output only"
        return
    schema, name = _resolved(api, schema, name)
    kind = schema["type"]
    if kind == "object" and isinstance(value, list) and all(isinstance(item, dict) and "id" in item for item in value):
        value = {item["id"]: item for item in value}  # the provider has a list where the API has a map
    if kind == "object":
        yield from _check_object(value, schema, name, api)
    elif kind == "array":
        if not isinstance(value, list):
            yield f": {value!r} is not a list"
            return
        for index, item in enumerate(value):
            for text in _check(item, schema["items"], name, api):
                yield f".{index}{text}"
    else:
        yield from _check_scalar(value, schema, kind)


def _check_object(value: Any, schema: dict[str, Any], name: str, api: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f": {value!r} is not an object"
        return
    if "additionalProperties" in schema:
        for key, item in value.items():
            for text in _check(item, schema["additionalProperties"], key, api):
                yield f".{key}{text}"
        return
    for key, item in value.items():
        path = _RENAMED.get(f"{name}.{key}", key).split(".")
        try:
            member, member_name = _at(api, schema, path)
        except KeyError:
            yield f" ({name}) has no member {key}"
            continue
        for text in _check(item, member, member_name, api):
            yield f".{key}{text}"


def _check_scalar(value: Any, schema: dict[str, Any], kind: str) -> Iterator[str]:
    if kind == "boolean":
        if not isinstance(_VALUES.get(value, value), bool):
            yield f": {value!r} is not a boolean"
    elif kind in ("integer", "number") or schema.get("format") in ("int64", "uint64"):
        yield from _check_number(value, schema, kind)
    elif not isinstance(value, str):
        yield f": {value!r} is not a string"
    else:
        if "enum" in schema and value not in schema["enum"]:
            yield f": {value!r} is none of {schema['enum']}"
        if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
            yield f": {value!r} does not match {schema['pattern']}"


def _check_number(value: Any, schema: dict[str, Any], kind: str) -> Iterator[str]:
    if isinstance(value, str) and kind == "string" and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        yield f": {value!r} is not a number"
    elif kind != "number" and value != int(value):
        yield f": {value!r} is not whole"
    elif schema.get("format", "").startswith("uint") and value < 0:
        yield f": {value!r} is negative"
