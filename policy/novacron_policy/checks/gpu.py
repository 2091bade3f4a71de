"""Taints of GPU nodes, and tolerations of the pods on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from novacron_policy.pods import find_pod_specs, list_containers
from novacron_policy.properties import UNKNOWN, Unknown, Value, describe_unknown, get, list_items

GPU_TAINT = "nvidia.com/gpu"
AWS_GPU = re.compile(r"^(p\d|g[3-9](?!ad)|gr\d)[a-z0-9-]*\.")
GCP_GPU = re.compile(r"^(a[2-9]x?|g[2-9])-")
AZURE_GPU = re.compile(r"^Standard_N[CDV](?!.*(_MI\d|as_v4$))", re.IGNORECASE)
"""Machines with GPUs of NVIDIA. The lookaheads exclude those of AMD, whose resource and taint have other names."""
_EKS_GPU_IMAGE = re.compile(r"NVIDIA|_GPU$")
_GPU_RESOURCE = re.compile(r"^nvidia\.com/(gpu(\.shared)?|mig-.+)$")
_AZURE_TAINT = re.compile(rf"^{re.escape(GPU_TAINT)}(=[^:]*)?:(NoSchedule|NoExecute)$")
_REPELLING_EFFECTS = ("NO_SCHEDULE", "NO_EXECUTE")


def check_gpu_taint_and_toleration(resource_type: str, properties: Value) -> Iterator[str]:
    """Node pools with GPUs have the GPU taint, and pods that request GPUs tolerate it."""
    for pool in _find_pools(resource_type, properties):
        yield from _check_pool(pool)
    for spec in find_pod_specs(resource_type, properties):
        yield from _check_pod(spec)


@dataclass(frozen=True, slots=True)
class _Pool:
    gpus: list[Value]
    """The machines and accelerators that make it a GPU pool; `UNKNOWN` for one that may."""
    taints: Value
    in_template: bool = False
    """Whether the machine is in a launch template, which the policy cannot read."""


def _find_pools(resource_type: str, properties: Value) -> Iterator[_Pool]:
    if resource_type == "aws:eks/nodeGroup:NodeGroup":
        yield _read_eks_pool(properties)
    elif resource_type == "gcp:container/nodePool:NodePool":
        yield _read_gke_pool(properties)
    elif resource_type == "gcp:container/cluster:Cluster":
        yield _read_gke_pool(properties)  # the default pool
        for pool in list_items(get(properties, "nodePools")):
            yield _read_gke_pool(pool)
    elif resource_type == "azure-native:containerservice:AgentPool":
        yield _read_aks_pool(properties)
    elif resource_type == "azure-native:containerservice:ManagedCluster":
        for pool in list_items(get(properties, "agentPoolProfiles")):
            yield _read_aks_pool(pool)


def _read_eks_pool(properties: Value) -> _Pool:
    machines, taints = list_items(get(properties, "instanceTypes")), get(properties, "taints")
    if machines or get(properties, "launchTemplate") is None:
        return _Pool(_find_gpus(machines, AWS_GPU), taints)
    # The launch template is another resource. An image with a GPU driver also tells that the pool has GPUs.
    image = get(properties, "amiType")
    if isinstance(image, str) and "NEURON" in image:
        return _Pool([], taints)
    if isinstance(image, str) and _EKS_GPU_IMAGE.search(image):
        return _Pool([image], taints)
    return _Pool([UNKNOWN], taints, in_template=True)


def _read_gke_pool(properties: Value) -> _Pool:
    config = get(properties, "nodeConfig")
    accelerators = [get(item, "type") for item in list_items(get(config, "guestAccelerators"))]
    return _Pool(accelerators + _find_gpus([get(config, "machineType")], GCP_GPU), get(config, "taints"))


def _read_aks_pool(properties: Value) -> _Pool:
    scales = list_items(get(properties, "virtualMachinesProfile.scale.manual"))
    machines = [get(properties, "vmSize"), *(get(scale, "size") for scale in scales)]
    return _Pool(_find_gpus(machines, AZURE_GPU), get(properties, "nodeTaints"))


def _find_gpus(machines: list[Value], pattern: re.Pattern[str]) -> list[Value]:
    return [item for item in machines if item is UNKNOWN or (isinstance(item, str) and pattern.search(item))]


def _check_pool(pool: _Pool) -> Iterator[str]:
    tainted = _any([_is_gpu_taint(taint) for taint in list_items(pool.taints)])
    if not pool.gpus or tainted is True:
        return
    known = [str(item) for item in pool.gpus if item is not UNKNOWN]
    if pool.in_template:
        yield (
            "the machine type is in the launch template, which this policy cannot read. Give it as a plain value in "
            "instanceTypes or, where it must stay in the template (capacity blocks), give the pool the taint "
            f"{GPU_TAINT}"
        )
    elif not known:
        yield describe_unknown("the machine type")
    elif tainted is UNKNOWN:
        yield describe_unknown("a taint of the pool")
    else:
        yield (
            f"the pool of {', '.join(known)} lacks the taint {GPU_TAINT} with NoSchedule, so pods without GPUs can "
            "occupy its nodes. Add the taint"
        )


def _is_gpu_taint(taint: Value) -> bool | Unknown:
    if isinstance(taint, str):
        return _AZURE_TAINT.search(taint) is not None
    key, effect = get(taint, "key"), get(taint, "effect")
    if UNKNOWN in (key, effect):
        return UNKNOWN
    return key == GPU_TAINT and effect in _REPELLING_EFFECTS


def _check_pod(spec: Value) -> Iterator[str]:
    if spec is UNKNOWN:
        yield describe_unknown("the pod template")
        return
    requests = _any([_requests_gpus(container) for container in list_containers(spec)])
    tolerates = _any([_is_gpu_toleration(item) for item in list_items(get(spec, "tolerations"))])
    if requests is False or tolerates is True:
        return
    if requests is UNKNOWN:
        yield describe_unknown("a resource request of a container")
    elif tolerates is UNKNOWN:
        yield describe_unknown("a toleration")
    else:
        yield f"a pod that requests GPUs does not tolerate the taint {GPU_TAINT}. Add the toleration"


def _requests_gpus(container: Value) -> bool | Unknown:
    resources = [get(container, f"resources.{kind}") for kind in ("limits", "requests")]
    if UNKNOWN in resources:
        return UNKNOWN
    return any(
        _GPU_RESOURCE.search(name) is not None and amount not in (0, "0")
        for resource in resources
        if isinstance(resource, dict)
        for name, amount in resource.items()
    )


def _is_gpu_toleration(toleration: Value) -> bool | Unknown:
    key, effect = get(toleration, "key"), get(toleration, "effect")
    if UNKNOWN in (key, effect):
        return UNKNOWN
    every_key = not key and get(toleration, "operator") == "Exists"
    return (every_key or key == GPU_TAINT) and effect in (None, "", "NoSchedule")


def _any(answers: list[bool | Unknown]) -> bool | Unknown:
    """Return whether an answer is true; `UNKNOWN` when none is and one is unknown."""
    if True in answers:
        return True
    return UNKNOWN if UNKNOWN in answers else False
