"""GPU nodes and the pods on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from novacron_policy.pods import containers, pod_specs
from novacron_policy.properties import UNKNOWN, get, items, unknown

GPU_TAINT = "nvidia.com/gpu"
AWS_GPU = re.compile(r"^(p\d|g[3-9](?!ad)|gr\d)[a-z0-9-]*\.")
GCP_GPU = re.compile(r"^(a[2-9]x?|g[2-9])-")
AZURE_GPU = re.compile(r"^Standard_N[CDV](?!.*(_MI\d|as_v4$))", re.IGNORECASE)
"""NVIDIA's: the lookaheads leave AMD's out, whose resource and taint are others."""
_EKS_GPU_IMAGE = re.compile(r"NVIDIA|_GPU$")
_GPU_RESOURCE = re.compile(r"^nvidia\.com/(gpu(\.shared)?|mig-.+)$")
_AZURE_TAINT = re.compile(rf"^{re.escape(GPU_TAINT)}(=[^:]*)?:(NoSchedule|NoExecute)$")
_KEEPS_PODS_OUT = ("NO_SCHEDULE", "NO_EXECUTE")


def gpu_taint_and_toleration(resource_type: str, properties: Any) -> Iterator[str]:
    """GPU nodes are kept for GPU pods: a taint on the pool, a toleration on the pod."""
    for pool in _pools(resource_type, properties):
        yield from _pool_reasons(pool)
    for spec in pod_specs(resource_type, properties):
        yield from _pod_reasons(spec)


@dataclass(frozen=True, slots=True)
class _Pool:
    gpus: list[Any]
    """What makes it a GPU pool: machines, accelerators; `UNKNOWN` for what may be one."""
    taints: Any
    in_template: bool = False


def _pools(resource_type: str, properties: Any) -> Iterator[_Pool]:
    if resource_type == "aws:eks/nodeGroup:NodeGroup":
        yield _eks_pool(properties)
    elif resource_type == "gcp:container/nodePool:NodePool":
        yield _gke_pool(properties)
    elif resource_type == "gcp:container/cluster:Cluster":
        yield _gke_pool(properties)  # the default pool
        for pool in items(get(properties, "nodePools")):
            yield _gke_pool(pool)
    elif resource_type == "azure-native:containerservice:AgentPool":
        yield _aks_pool(properties)
    elif resource_type == "azure-native:containerservice:ManagedCluster":
        for pool in items(get(properties, "agentPoolProfiles")):
            yield _aks_pool(pool)


def _eks_pool(properties: Any) -> _Pool:
    machines, taints = items(get(properties, "instanceTypes")), get(properties, "taints")
    if machines or get(properties, "launchTemplate") is None:
        return _Pool(_gpus(machines, AWS_GPU), taints)
    # The template is another resource. The image says enough where it carries a driver.
    image = get(properties, "amiType")
    if isinstance(image, str) and "NEURON" in image:
        return _Pool([], taints)
    if isinstance(image, str) and _EKS_GPU_IMAGE.search(image):
        return _Pool([image], taints)
    return _Pool([UNKNOWN], taints, in_template=True)


def _gke_pool(properties: Any) -> _Pool:
    config = get(properties, "nodeConfig")
    accelerators = [get(item, "type") for item in items(get(config, "guestAccelerators"))]
    return _Pool(accelerators + _gpus([get(config, "machineType")], GCP_GPU), get(config, "taints"))


def _aks_pool(properties: Any) -> _Pool:
    scales = items(get(properties, "virtualMachinesProfile.scale.manual"))
    machines = [get(properties, "vmSize"), *(get(scale, "size") for scale in scales)]
    return _Pool(_gpus(machines, AZURE_GPU), get(properties, "nodeTaints"))


def _gpus(machines: list[Any], pattern: re.Pattern[str]) -> list[Any]:
    return [item for item in machines if item is UNKNOWN or (isinstance(item, str) and pattern.search(item))]


def _pool_reasons(pool: _Pool) -> Iterator[str]:
    tainted = _any([_is_gpu_taint(taint) for taint in items(pool.taints)])
    if not pool.gpus or tainted is True:
        return
    known = [str(item) for item in pool.gpus if item is not UNKNOWN]
    if pool.in_template:
        yield (
            "the machine type stands in the launch template, where this policy cannot see it; give it as a plain value "
            f"in instanceTypes or, where it has to stay there (capacity blocks), give the pool the taint {GPU_TAINT}"
        )
    elif not known:
        yield unknown("the machine type")
    elif tainted is UNKNOWN:
        yield unknown("a taint of the pool")
    else:
        yield f"GPU pool of {', '.join(known)} has no taint {GPU_TAINT} with NoSchedule: any pod would take its nodes"


def _is_gpu_taint(taint: Any) -> Any:
    if isinstance(taint, str):
        return _AZURE_TAINT.search(taint) is not None
    key, effect = get(taint, "key"), get(taint, "effect")
    if UNKNOWN in (key, effect):
        return UNKNOWN
    return key == GPU_TAINT and effect in _KEEPS_PODS_OUT


def _pod_reasons(spec: Any) -> Iterator[str]:
    if spec is UNKNOWN:
        yield unknown("the pod template")
        return
    asks = _any([_asks_for_gpus(container) for container in containers(spec)])
    tolerates = _any([_is_gpu_toleration(item) for item in items(get(spec, "tolerations"))])
    if asks is False or tolerates is True:
        return
    if asks is UNKNOWN:
        yield unknown("what a container asks for in its resources")
    elif tolerates is UNKNOWN:
        yield unknown("a toleration")
    else:
        yield f"a pod that asks for GPUs does not tolerate the taint {GPU_TAINT}; add the toleration"


def _asks_for_gpus(container: Any) -> Any:
    resources = [get(container, f"resources.{kind}") for kind in ("limits", "requests")]
    if UNKNOWN in resources:
        return UNKNOWN
    return any(
        _GPU_RESOURCE.search(name) and amount not in (0, "0")
        for resource in resources
        for name, amount in (resource or {}).items()
    )


def _is_gpu_toleration(toleration: Any) -> Any:
    key, effect = get(toleration, "key"), get(toleration, "effect")
    if UNKNOWN in (key, effect):
        return UNKNOWN
    every_key = not key and get(toleration, "operator") == "Exists"
    return (every_key or key == GPU_TAINT) and effect in (None, "", "NoSchedule")


def _any(answers: list[Any]) -> Any:
    """Whether one is true; `UNKNOWN` when none is and one may be."""
    if True in answers:
        return True
    return UNKNOWN if UNKNOWN in answers else False
