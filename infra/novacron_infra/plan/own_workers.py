"""The GPU workers of a cluster of your own: the replica that fits its nodes, and its pods."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from novacron_infra.catalog import (
    EngineKind,
    FabricKind,
    Machine,
    Model,
    UnknownNameError,
    UnsupportedQuantizationError,
    find_gpu,
    find_machine,
    find_model,
    resolve_quantization,
)
from novacron_infra.config import Images, KubernetesEnvironment, ProfileName, ServingTargets
from novacron_infra.config.defaults import mark_defaults
from novacron_infra.config.problems import problem
from novacron_infra.config.sections.gpu_workers import OwnGpuWorkers
from novacron_infra.errors import Problem
from novacron_infra.plan.errors import DoesNotFitError, PlanError
from novacron_infra.plan.latency import check_latencies
from novacron_infra.plan.machines import check_requests
from novacron_infra.plan.profiles import find_impossible_split
from novacron_infra.plan.serving import (
    CACHED_MODELS,
    FILES_GIB,
    CacheKind,
    ModelCache,
    NodePlacement,
    WorkerGroup,
    choose_engine_settings,
    estimate_load,
    find_fabric,
)
from novacron_infra.plan.sizing import ReplicaSize, Workload, fit_replica
from novacron_infra.pools import GPU_TAINT
from novacron_infra.shown_values import show_count

_OF_GKE = (FabricKind.TCPX, FabricKind.TCPXO, FabricKind.ROCE)
"""Fabrics whose pods depend on folders and networks that GKE makes."""


def plan_own_environment(config: KubernetesEnvironment) -> WorkerGroup | None:
    """Return the workers with TensorRT-LLM of an environment; None where workers have the PyTorch engine.

    Raises:
        PlanError: as `plan_own_workers`.
    """
    if config.gpu_workers is None or config.model.url is None:
        return None
    folder = config.model.url.rpartition("/")[2]
    try:
        return plan_own_workers(config.gpu_workers, config.model.id, folder, config.targets)
    except PlanError as error:
        parts = {name: getattr(config, name) for name in type(config).model_fields}
        raise PlanError(mark_defaults(error.problems, parts, config.model_fields_set)) from error


def plan_own_workers(
    workers: OwnGpuWorkers, model_id: str, model_folder: str, targets: ServingTargets | None = None
) -> WorkerGroup:
    """Return the workers with TensorRT-LLM of a cluster of your own.

    Args:
        workers: the section `gpu_workers`.
        model_id: the model to serve, a name from the catalogue.
        model_folder: folder of the weights in their store.
        targets: the targets of the serving stack, or None without any.

    Raises:
        PlanError: the catalogue does not know the machine or the model, the format does not run on its GPUs, the model
            does not fit, its replica would need a fabric that such a cluster does not have, or a latency target cannot
            be met.
    """
    machine_type = _find_gpu_machine(workers)
    size = _fit(workers, model_id, machine_type)
    if size.pipeline_parallel > 1:
        _check_fabric(size, machine_type)
    if targets and (found := check_latencies(size, targets.time_to_first_token_s, targets.inter_token_latency_s)):
        raise PlanError(found)
    gib = workers.cache_gib or ceil(CACHED_MODELS * size.replica_weight_bytes / 2**30)
    cache = ModelCache(kind=CacheKind.LOCAL_NVME, size_gib=gib)
    return WorkerGroup(
        name=f"llm-workers-{ProfileName.BALANCED.value}",
        profile=ProfileName.BALANCED,
        replicas=workers.replicas,
        minimum_replicas=workers.replicas,
        maximum_replicas=workers.replicas,
        gpus_per_pod=size.tensor_parallel,
        resources=workers.resources,
        shared_memory_gib=workers.shared_memory_gib,
        storage_gib=FILES_GIB,
        cache=cache,
        engine=choose_engine_settings(size),
        load=estimate_load(size, workers.loader, None, cache),
        fabric=find_fabric(size, machine_type, Images()),
        nodes=NodePlacement(labels=dict(workers.node_labels), tolerated_taints=(GPU_TAINT,)),
        model_folder=model_folder,
    )


def _find_gpu_machine(workers: OwnGpuWorkers) -> Machine:
    try:
        machine_type = find_machine(workers.machine)
    except UnknownNameError as error:
        rule = "it is not a machine in the catalogue"
        raise PlanError([problem("gpu_workers.machine", workers.machine, rule, error.hint)]) from error
    if machine_type.gpu is None:
        fix = "Use a machine with GPUs"
        raise PlanError([problem("gpu_workers.machine", workers.machine, "it has no GPUs, and workers need them", fix)])
    if (rule := machine_type.unsupported_because) is not None:
        raise PlanError([problem("gpu_workers.machine", workers.machine, rule, "Use a machine of another type")])
    return machine_type


def _fit(workers: OwnGpuWorkers, model_id: str, machine_type: Machine) -> ReplicaSize:
    gpu = find_gpu(machine_type.gpu or "")
    try:
        model = find_model(model_id)
    except UnknownNameError as error:
        raise PlanError([problem("model.id", model_id, "it is not a model in the catalogue", error.hint)]) from error
    if found := list(_check_sizes(workers, model, machine_type)):
        raise PlanError(found)
    try:
        return fit_replica(
            model,
            resolve_quantization(workers.quantization, EngineKind.TENSORRT_LLM, gpu.architecture),
            gpu,
            machine_type.gpu_count,
            machine_type.gpu_count * model.layers,
            Workload(
                context_tokens=workers.context_tokens,
                batch_tokens=workers.max_batch_tokens,
                kv_fraction=workers.kv_cache_fraction,
            ),
            tensor_parallel=workers.tensor_parallel,
            pipeline_parallel=workers.pipeline_parallel,
        )
    except UnsupportedQuantizationError as error:
        rule = (
            f"TensorRT-LLM does not support it on {gpu.architecture.value} GPUs such as {gpu.name}, only "
            f"{', '.join(error.supported)}"
        )
        fix = f"Use {' or '.join(error.offered)}"
        raise PlanError([problem("gpu_workers.quantization", workers.quantization.value, rule, fix)]) from error
    except DoesNotFitError as error:
        rule = f"{model.name} does not fit on {machine_type.name}"
        fix = "Use a narrower quantization, a shorter context, or another parallelism"
        raise PlanError(
            [problem("gpu_workers.quantization", workers.quantization.value, rule, fix, error.arithmetic)]
        ) from error


def _check_sizes(workers: OwnGpuWorkers, model: Model, machine_type: Machine) -> Iterator[Problem]:
    """Report a split, a context or requests that no replica of this model on this machine can have."""
    split = find_impossible_split("gpu_workers", workers.tensor_parallel, model, machine_type)
    if split is not None:
        yield split
    if workers.context_tokens > model.max_context_tokens:
        rule = f"{model.name} supports a context of at most {model.max_context_tokens} tokens"
        path = "gpu_workers.context_tokens"
        yield problem(path, workers.context_tokens, rule, f"Use {model.max_context_tokens} or less")
    yield from check_requests("gpu_workers", workers.resources, machine_type, pods=1)


def _check_fabric(size: ReplicaSize, machine_type: Machine) -> None:
    fabric = machine_type.fabric
    if fabric is not None and fabric.kind not in _OF_GKE:
        return
    what = "no fabric between machines" if fabric is None else f"{fabric.kind.value}, which only GKE sets up for pods"
    rule = f"a replica needs {show_count(size.gpus, 'GPU')} ({size.parallelism}), and this machine has {what}"
    fix = "Use a narrower quantization so that a replica fits one node, or a machine with EFA or InfiniBand"
    raise PlanError([problem("gpu_workers.machine", machine_type.name, rule, fix)])
