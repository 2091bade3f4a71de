"""KubernetesEnvironment: the serving stack in a Kubernetes cluster of your own, and the rules between its sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from novacron_infra.config.environment import EnvironmentSecrets
from novacron_infra.config.problems import MISSING, problem
from novacron_infra.config.rules.logs import check_own_logs
from novacron_infra.config.rules.processes import check_container, check_shared_memory
from novacron_infra.config.rules.targets import check_serving_targets
from novacron_infra.config.rules.traffic import is_dns_name
from novacron_infra.config.sections.add_ons import AddOn, AddOns
from novacron_infra.config.sections.base import Gib, HomePath, Instances, Name, ObjectName, Section, TextPattern
from novacron_infra.config.sections.gpu_workers import OwnGpuWorkers
from novacron_infra.config.sections.hardware import Resources
from novacron_infra.config.sections.images import ImageReference
from novacron_infra.config.sections.monitoring import Monitoring
from novacron_infra.config.sections.own_databases import OwnPostgres, OwnRedis
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.serving import (
    CoordinatorSettings,
    Device,
    PyTorchQuantization,
    PyTorchSettings,
    ServedName,
)
from novacron_infra.config.sections.targets import ServingTargets
from novacron_infra.errors import Problem

_DRAIN_LIMIT_S = 3600
SMALLEST_DATABASE_GIB = 0.05
"""Memory of a Postgres or Redis container that has hardly any data."""


ImagePath = Annotated[
    str, TextPattern(r"/.*[^/]", "a path inside an image starts with / and does not end with it", "/models/mine")
]
StoreUrl = Annotated[
    str,
    TextPattern(
        r"(s3|gs|az)://[^/\s]+/\S+",
        "a model's URL starts with s3://, gs:// or az:// and names a folder",
        "s3://models/mine",
    ),
]
Label = Annotated[
    str,
    TextPattern(
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "a namespace has 1 to 63 lower-case letters, digits and hyphens, and no hyphen at either end",
        "monitoring",
    ),
]
Host = Annotated[
    str,
    TextPattern(
        r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", "it is not a host name or an IPv4 address", "node-1.example.com"
    ),
]


class KubernetesCluster(Section):
    """How the deployment reaches the cluster."""

    kubeconfig: HomePath | None = None
    """A kubeconfig file, relative to the project's folder; `~` is the home folder.

    Left out: the file that KUBECONFIG names, or `~/.kube/config`.
    """
    context: Name | None = None
    """The context of the kubeconfig file. Left out: its current context."""


class ServingImages(Section):
    """The container images, which the nodes can pull, or which were loaded onto them as `localhost/…`."""

    coordinator: ImageReference
    """Image of the coordinators."""
    worker: ImageReference
    """Image of the workers: `worker-cpu` for workers without GPUs."""


class ServedModel(Section):
    """The model to serve. Without `path` and `url`: the tiny model that ships with NovaCron."""

    id: ServedName = "novacron-tiny"
    """The name that clients ask for."""
    path: ImagePath | None = None
    """A Hugging Face model folder inside the worker's image."""
    url: StoreUrl | None = None
    """The model's folder in a store, which every worker downloads when it starts (docs/models.md).

    The nodes' own identity has to permit reading it: workers have no credentials.
    """


class CoordinatorPods(CoordinatorSettings):
    """The coordinators: the processes that clients talk to. Clients need an API key."""

    count: Instances = 2
    """Number of coordinators."""
    resources: Resources = Resources(cpu_request=0.5, cpu_limit=2, memory_request_gib=0.5, memory_limit_gib=1)
    """Requests and limits of a coordinator's container."""
    drain_s: int = Field(default=60, ge=0, le=_DRAIN_LIMIT_S)
    """Seconds that streams in flight may take to end when a coordinator stops."""


class WorkerPods(PyTorchSettings):
    """The workers: the processes that hold the model."""

    count: Instances = 2
    """Number of workers."""
    gpus: int = Field(default=0, ge=0, le=64)
    """GPUs of each worker (`nvidia.com/gpu`). 0: workers run on CPUs."""
    resources: Resources = Resources(cpu_request=1, cpu_limit=2, memory_request_gib=2, memory_limit_gib=4)
    """Requests and limits of a worker's container."""
    quantization: PyTorchQuantization = PyTorchQuantization.NONE
    """Quantisation of the weights; `novacron quality` measures what it costs."""
    start_timeout_s: int = Field(default=600, ge=30, le=3600)
    """Seconds that a worker may take to load the model, with the download. After that it is restarted."""
    shared_memory_gib: Gib = 1
    """Size of the memory-backed /dev/shm of each pod in GiB. It counts against the memory limit."""
    storage_gib: Gib = 4
    """Size of a worker's files on the node's disk in GiB: downloaded models, caches and temporary files."""
    drain_s: int = Field(default=60, ge=0, le=_DRAIN_LIMIT_S)
    """Seconds that requests in flight may take to end when a worker stops."""


class AccessKind(str, Enum):
    """How clients reach the coordinators."""

    CLUSTER_IP = "cluster-ip"
    """From inside the cluster only."""
    NODE_PORT = "node-port"
    """Through a port of every node."""
    LOAD_BALANCER = "load-balancer"
    """Through a load balancer of the cluster's cloud, in plain HTTP."""
    GATEWAY = "gateway"
    """Through a Gateway of the cluster (Gateway API), under a host name."""


class ApiGateway(Section):
    """The Gateway of the cluster that sends requests for the API to the coordinators. It is not changed."""

    name: ObjectName
    """Name of the Gateway."""
    namespace: Label
    """Its namespace. One of its listeners has to allow routes from the namespace `novacron-llm`."""
    listener: ObjectName | None = None
    """Name of one of its listeners. Left out: every listener that allows the route."""
    tls: bool = True
    """Whether clients reach the Gateway with TLS. It is the scheme of the stack's output `endpoint`."""


class ApiAccess(Section):
    """How clients reach the coordinators."""

    kind: AccessKind = AccessKind.CLUSTER_IP
    """`cluster-ip`: inside the cluster only. `node-port`: a port of every node. `load-balancer`: the cloud's.
    `gateway`: a Gateway of the cluster."""
    node_port: Annotated[int, Field(ge=30000, le=32767)] | None = None
    """The port of every node, for `node-port`. Left out: Kubernetes chooses one."""
    address: Host | None = None
    """Name or address where clients reach a node or the load balancer, for the stack's output `endpoint`.

    With `gateway`: the host name of the requests that the Gateway sends to the coordinators.
    """
    gateway: ApiGateway | None = None
    """The Gateway, for `gateway`."""


class KubernetesEnvironment(Section):
    """The serving stack in a Kubernetes cluster of your own."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    platform: Literal[Platform.KUBERNETES]
    """A Kubernetes cluster of your own."""
    cluster: KubernetesCluster = KubernetesCluster()
    add_ons: AddOns = AddOns()
    """The controllers in the cluster."""
    images: ServingImages
    model: ServedModel = ServedModel()
    coordinators: CoordinatorPods = CoordinatorPods()
    workers: WorkerPods = WorkerPods()
    gpu_workers: OwnGpuWorkers | None = None
    """Workers with TensorRT-LLM on GPU nodes, in place of `workers`. None: workers have the PyTorch engine."""
    access: ApiAccess = ApiAccess()
    postgres: OwnPostgres | None = None
    """Postgres in the cluster. Without it, the secret `novacron:databaseUrl` names a database, or there is none."""
    redis: OwnRedis | None = None
    """Redis in the cluster. Without it, the secret `novacron:redisUrl` names one, or there is none."""
    cluster_tls: bool = False
    """Whether traffic between coordinators and workers is encrypted, with certificates of cert-manager."""
    targets: ServingTargets = ServingTargets()
    """Targets of the stack. An alert tells when one is missed."""
    monitoring: Monitoring = Monitoring()
    """Metrics, dashboards, traces and logs."""
    monitoring_namespace: Label = "monitoring"
    """The namespace whose pods may read the metrics of coordinators and workers."""
    secrets: SkipJsonSchema[EnvironmentSecrets] = Field(default=EnvironmentSecrets(), exclude=True, repr=False)


def check_kubernetes_rules(parts: Mapping[str, Any]) -> list[Problem]:
    """Return a problem for each rule between keys that does not hold.

    Args:
        parts: the valid sections, by name; a section that is not in it is itself invalid.
    """
    found: list[Problem] = []
    model: ServedModel | None = parts.get("model")
    if model is not None and model.path is not None and model.url is not None:
        found.append(problem("model.url", model.url, "model.path also names a model", "Remove one of them"))
    if (coordinators := parts.get("coordinators")) is not None:
        found += _check_coordinators(coordinators)
    if (workers := parts.get("workers")) is not None:
        found += _check_workers(workers)
    gpu_workers: OwnGpuWorkers | None = parts.get("gpu_workers")
    if gpu_workers is not None:
        found += _check_gpu_workers(gpu_workers, model)
    add_ons: AddOns | None = parts.get("add_ons")
    if (access := parts.get("access")) is not None:
        found += _check_access(access)
        found += _check_gateway(access, add_ons)
    for name in ("postgres", "redis"):
        if (database := parts.get(name)) is not None:
            found += check_container(f"{name}.resources", database.resources)
            if (limit := database.resources.memory_limit_gib) < SMALLEST_DATABASE_GIB:
                rule = f"a server needs {SMALLEST_DATABASE_GIB} GiB to start"
                found.append(problem(f"{name}.resources.memory_limit_gib", limit, rule, "Raise it"))
    if add_ons is not None and add_ons.load_balancer_controller is AddOn.INSTALL:
        rule = "it is AWS Load Balancer Controller, which needs roles of IAM that only platform aws creates"
        found.append(problem("add_ons.load_balancer_controller", AddOn.INSTALL.value, rule, "Remove this key"))
    if parts.get("cluster_tls") and add_ons is not None and add_ons.cert_manager in (None, AddOn.NONE):
        rule = "cert-manager issues the certificates, and add_ons.cert_manager is none"
        fix = "Set add_ons.cert_manager to install, or to existing if the cluster has it"
        found.append(problem("cluster_tls", True, rule, fix))
    monitoring: Monitoring | None = parts.get("monitoring")
    if monitoring is not None:
        found += check_own_logs(monitoring.logs)
    if (targets := parts.get("targets")) is not None:
        found += check_serving_targets(targets)
    return found


def _check_coordinators(coordinators: CoordinatorPods) -> Iterator[Problem]:
    yield from check_container("coordinators.resources", coordinators.resources)
    cache, limit = coordinators.response_cache, coordinators.resources.memory_limit_gib
    if cache is not None and cache.memory_mib >= limit * 1024:
        rule = f"it must be less than coordinators.resources.memory_limit_gib, {limit:g}"
        fix = f"Use less than {limit * 1024:g}, or raise the limit"
        yield problem("coordinators.response_cache.memory_mib", cache.memory_mib, rule, fix)


def _check_workers(workers: WorkerPods) -> Iterator[Problem]:
    yield from check_container("workers.resources", workers.resources)
    yield from check_shared_memory("workers", workers.shared_memory_gib, workers.resources)
    if workers.device is Device.CUDA and workers.gpus == 0:
        rule = "workers.gpus is 0, so a worker has no CUDA device"
        yield problem("workers.device", workers.device.value, rule, "Set workers.gpus, or use cpu")
    if workers.device is Device.CPU and workers.gpus > 0:
        rule = f"workers.gpus is {workers.gpus}, and the engine would not use them"
        yield problem("workers.device", workers.device.value, rule, "Use auto, or remove workers.gpus")


def _check_gpu_workers(workers: OwnGpuWorkers, model: ServedModel | None) -> Iterator[Problem]:
    yield from check_container("gpu_workers.resources", workers.resources)
    yield from check_shared_memory("gpu_workers", workers.shared_memory_gib, workers.resources)
    if model is not None and model.url is None:
        rule = "gpu_workers download the weights from a store"
        yield problem("model.url", MISSING, rule, "Name the model's folder, such as s3://models/llama-3.1-405b-fp8")


def _check_access(access: ApiAccess) -> Iterator[Problem]:
    kind = access.kind
    if access.node_port is not None and kind is not AccessKind.NODE_PORT:
        rule = f"access.kind is {kind.value}, which has no port on the nodes"
        yield problem("access.node_port", access.node_port, rule, "Remove it, or set access.kind to node-port")
    if access.address is not None and kind is AccessKind.CLUSTER_IP:
        rule = "access.kind is cluster-ip, which no client outside the cluster reaches"
        yield problem("access.address", access.address or MISSING, rule, "Remove it, or set access.kind to node-port")


def _check_gateway(access: ApiAccess, add_ons: AddOns | None) -> Iterator[Problem]:
    if access.kind is not AccessKind.GATEWAY:
        if access.gateway is not None:
            rule = f"access.kind is {access.kind.value}"
            yield problem("access.gateway", access.gateway.name, rule, "Remove it, or set access.kind to gateway")
        return
    if access.gateway is None:
        rule = "access.kind is gateway"
        yield problem("access.gateway", MISSING, rule, "Name the Gateway, such as {name: public, namespace: gateways}")
    if access.address is None or not is_dns_name(access.address):
        rule = "a Gateway finds the coordinators by the host name of the request"
        yield problem("access.address", access.address, rule, "Write the API's host name, such as llm.example.com")
    if add_ons is not None and add_ons.gateway_api in (None, AddOn.NONE):
        rule = "it needs the definitions of the Gateway API, and add_ons.gateway_api is none"
        fix = "Set add_ons.gateway_api to existing if the cluster has them, or to install"
        yield problem("access.kind", access.kind.value, rule, fix)
