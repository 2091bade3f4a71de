"""What each policy looks at: pure functions from a resource to the reasons why it is refused.

An unknown that could hide a violation is one (the message says how to make it plain). An unknown that is a reference to
something made in the same update (a key, a health check) is not: it will be there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from novacron_policy.properties import UNKNOWN, containers, get, items, pod_specs

_UNKNOWN_FIX = "is not known before the update, so it cannot be checked; give it as a plain value"
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_AWS_GPU = re.compile(r"^(p[2-9]|p\d+|g[3-9])[a-z0-9-]*\.")
_GCP_GPU = re.compile(r"^(a[2-9]|g[2-9])-")
_AZURE_GPU = re.compile(r"^Standard_N[CDGV]", re.IGNORECASE)
GPU_TAINT = "nvidia.com/gpu"
NARROWEST_OPEN_PREFIX = 8
"""Networks wider than this count as the internet: two halves of it are no better than the whole."""


def private_api_endpoint(resource_type: str, properties: Any) -> Iterator[str]:
    """The Kubernetes API is private, or open to named networks only."""
    if resource_type == "aws:eks/cluster:Cluster":
        public = get(properties, "vpcConfig.endpointPublicAccess")
        if public is UNKNOWN:
            yield f"vpcConfig.endpointPublicAccess {_UNKNOWN_FIX}"
        elif public is not False:  # EKS opens it unless told otherwise
            yield from _open_networks(
                "vpcConfig.publicAccessCidrs", items(get(properties, "vpcConfig.publicAccessCidrs"))
            )
    elif resource_type == "gcp:container/cluster:Cluster":
        private = get(properties, "privateClusterConfig.enablePrivateEndpoint")
        if private is UNKNOWN:
            yield f"privateClusterConfig.enablePrivateEndpoint {_UNKNOWN_FIX}"
        elif private is not True:
            path = "masterAuthorizedNetworksConfig.cidrBlocks"
            blocks = items(get(properties, path))
            yield from _open_networks(
                path, [block if block is UNKNOWN else get(block, "cidrBlock") for block in blocks]
            )
    elif resource_type == "azure-native:containerservice:ManagedCluster":
        private = get(properties, "apiServerAccessProfile.enablePrivateCluster")
        if private is UNKNOWN:
            yield f"apiServerAccessProfile.enablePrivateCluster {_UNKNOWN_FIX}"
        elif private is not True:
            path = "apiServerAccessProfile.authorizedIPRanges"
            yield from _open_networks(path, items(get(properties, path)))


def _open_networks(path: str, networks: list[Any]) -> Iterator[str]:
    if not networks:
        yield f"the Kubernetes API is open to everyone; make it private, or name the networks in {path}"
    for network in networks:
        if network is UNKNOWN:
            yield f"{path} {_UNKNOWN_FIX}"
            continue
        try:
            wide = ipaddress.ip_network(str(network), strict=False).prefixlen < NARROWEST_OPEN_PREFIX
        except ValueError:
            yield f"{path}: {network!r} is not a network such as 203.0.113.0/24"
        else:
            if wide:
                yield f"{path}: {network} is a large part of the internet; name your own networks"


def customer_key_encryption(resource_type: str, properties: Any) -> Iterator[str]:
    """What is stored is encrypted with a key of the customer's own."""
    required = {
        "aws:ebs/volume:Volume": ["kmsKeyId"],
        "aws:efs/fileSystem:FileSystem": ["kmsKeyId"],
        "aws:fsx/lustreFileSystem:LustreFileSystem": ["kmsKeyId"],
        "aws:eks/cluster:Cluster": ["encryptionConfig.provider.keyArn"],
        "aws:rds/cluster:Cluster": ["kmsKeyId"],
        "aws:rds/instance:Instance": ["kmsKeyId"],
        "gcp:compute/disk:Disk": ["diskEncryptionKey.kmsKeySelfLink"],
        "gcp:storage/bucket:Bucket": ["encryption.defaultKmsKeyName"],
        "gcp:container/cluster:Cluster": ["databaseEncryption.keyName"],
        "azure-native:compute:Disk": ["encryption.diskEncryptionSetId"],
        "azure-native:containerservice:ManagedCluster": ["diskEncryptionSetID"],
        "azure-native:storage:StorageAccount": ["encryption.keyVaultProperties.keyName"],
    }
    for path in required.get(resource_type, []):
        holder = get(properties, path.rpartition(".")[0]) if "." in path else None
        if holder is UNKNOWN:
            yield f"{path.rpartition('.')[0]} {_UNKNOWN_FIX}"
        elif not get(properties, path):
            yield f"{path} is missing: name a key of your own, which you can rotate and revoke"
    if resource_type in (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
    ):
        for rule in items(get(properties, "rules")):
            if rule is UNKNOWN:
                yield f"rules {_UNKNOWN_FIX}"
            elif not get(rule, "applyServerSideEncryptionByDefault.kmsMasterKeyId"):
                yield "rules[].applyServerSideEncryptionByDefault.kmsMasterKeyId is missing: name a key of your own"


def gpu_taint_and_toleration(resource_type: str, properties: Any) -> Iterator[str]:
    """GPU nodes are kept for GPU pods: a taint on the pool, a toleration on the pod."""
    yield from _pool_taint(resource_type, properties)
    for spec in pod_specs(resource_type, properties):
        if spec is UNKNOWN:
            yield f"the pod template {_UNKNOWN_FIX}"
        elif any(get(c, f"resources.{kind}") is UNKNOWN for c in containers(spec) for kind in ("limits", "requests")):
            yield f"a container's resources {_UNKNOWN_FIX}"
        elif any(GPU_TAINT in (_limits(container) or {}) for container in containers(spec)) and not any(
            item is not UNKNOWN
            and (item.get("key") == GPU_TAINT or ("key" not in item and item.get("operator") == "Exists"))
            for item in items(get(spec, "tolerations"))
        ):
            yield f"a pod that asks for GPUs does not tolerate the taint {GPU_TAINT}; add the toleration"


def _limits(container: Any) -> Any:
    return get(container, "resources.limits") or get(container, "resources.requests")


def _pool_taint(resource_type: str, properties: Any) -> Iterator[str]:
    if resource_type == "aws:eks/nodeGroup:NodeGroup":
        machines, taints, pattern = items(get(properties, "instanceTypes")), get(properties, "taints"), _AWS_GPU
    elif resource_type == "gcp:container/nodePool:NodePool":
        machines, taints, pattern = (
            [get(properties, "nodeConfig.machineType")],
            get(properties, "nodeConfig.taints"),
            _GCP_GPU,
        )
        if items(get(properties, "nodeConfig.guestAccelerators")):
            pattern = re.compile("")
            machines = [get(properties, "nodeConfig.machineType") or "with accelerators"]
    elif resource_type == "azure-native:containerservice:AgentPool":
        machines, taints, pattern = [get(properties, "vmSize")], get(properties, "nodeTaints"), _AZURE_GPU
    else:
        return
    if UNKNOWN in machines:
        yield f"the machine type {_UNKNOWN_FIX}"
        return
    gpu = [machine for machine in machines if isinstance(machine, str) and pattern.search(machine)]
    if not gpu:
        return
    if UNKNOWN in items(taints):
        yield f"the pool's taints {_UNKNOWN_FIX}"
    elif not any(_is_gpu_taint(taint) for taint in items(taints)):
        yield f"GPU pool of {', '.join(gpu)} has no taint {GPU_TAINT} with NoSchedule: any pod would take its nodes"


def _is_gpu_taint(taint: Any) -> bool:
    if isinstance(taint, str):
        return taint.startswith(f"{GPU_TAINT}=") and taint.endswith(":NoSchedule")
    return taint.get("key") == GPU_TAINT and str(taint.get("effect")).upper() in ("NO_SCHEDULE", "NOSCHEDULE")


def no_privileged_pod(resource_type: str, properties: Any) -> Iterator[str]:
    """No container is privileged, none may become more than it is."""
    for spec in pod_specs(resource_type, properties):
        if spec is UNKNOWN:
            yield f"the pod template {_UNKNOWN_FIX}"
            continue
        for container in containers(spec):
            for field in ("privileged", "allowPrivilegeEscalation"):
                value = UNKNOWN if container is UNKNOWN else get(container, f"securityContext.{field}")
                if value is UNKNOWN:
                    yield f"securityContext.{field} {_UNKNOWN_FIX}"
                elif value is True:
                    name = get(container, "name")
                    yield f"container {name!r}: securityContext.{field} is true; GPUs come from the device plugin"


def digest_pinned_image(resource_type: str, properties: Any) -> Iterator[str]:
    """Every image is named by its digest: what was tested is what runs."""
    for spec in pod_specs(resource_type, properties):
        if spec is UNKNOWN:
            yield f"the pod template {_UNKNOWN_FIX}"
            continue
        for container in containers(spec):
            image = UNKNOWN if container is UNKNOWN else get(container, "image")
            if image is UNKNOWN:
                yield f"an image {_UNKNOWN_FIX}"
            elif not _DIGEST.search(str(image)):
                name = get(container, "name")
                yield f"container {name!r}: image {image!r} is not pinned; end it with @sha256:<digest>"


_ROUTED = (
    "weightedRoutingPolicies",
    "latencyRoutingPolicies",
    "failoverRoutingPolicies",
    "geolocationRoutingPolicies",
    "geoproximityRoutingPolicy",
    "multivalueAnswerRoutingPolicy",
)


def health_check_on_routed_record(resource_type: str, properties: Any) -> Iterator[str]:
    """A record that takes part in routing has a health check; without one it counts as healthy for ever."""
    if resource_type == "aws:route53/record:Record":
        routed = [name for name in _ROUTED if get(properties, name)]
        evaluated = any(
            alias is not UNKNOWN and alias.get("evaluateTargetHealth") for alias in items(get(properties, "aliases"))
        )
        if routed and not get(properties, "healthCheckId") and not evaluated:
            yield f"{routed[0]} without healthCheckId: the record is served even when its region is dead"
    elif resource_type == "gcp:dns/recordSet:RecordSet":
        policy = get(properties, "routingPolicy")
        if policy is UNKNOWN:
            yield f"routingPolicy {_UNKNOWN_FIX}"
        elif policy and not get(policy, "healthCheck"):
            yield "routingPolicy without healthCheck: the record is served even when its region is dead"
    elif resource_type == "azure-native:trafficmanager:Endpoint":
        always = get(properties, "alwaysServe")
        if always is UNKNOWN:
            yield f"alwaysServe {_UNKNOWN_FIX}"
        elif always == "Enabled":
            yield "alwaysServe switches the endpoint's probes off; leave it out"
    elif resource_type == "azure-native:trafficmanager:Profile":
        monitor = get(properties, "monitorConfig")
        if monitor is UNKNOWN:
            yield f"monitorConfig {_UNKNOWN_FIX}"
        elif not get(monitor, "protocol") or (get(monitor, "protocol") != "TCP" and not get(monitor, "path")):
            yield "monitorConfig needs a protocol and, for HTTP and HTTPS, a path to probe"
