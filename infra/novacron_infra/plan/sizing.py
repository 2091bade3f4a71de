"""The memory of a replica: whether a model fits on its GPUs, and how many tokens its KV cache holds.

Memory per GPU follows aiconfigurator 0.12: KV cache = fraction × (GPU − weights − activations − runtime − NCCL), where
activations = 2 bytes × tokens of a step × hidden size × a coefficient that depends on the tensor parallelism, and is
twice as high for mixtures of experts.
The embedding and the output head keep two bytes per parameter in every format of eight bits or less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from novacron_infra.catalog import Gpu, KvCacheType, Model, WeightFormat
from novacron_infra.plan.errors import DoesNotFitError

GIB = 2**30
RUNTIME_GIB = 3.5
EMBEDDING_BYTES = 2.0
_ACTIVATION_COEFFICIENT = {1: 11.0, 2: 6.5, 4: 5.0, 8: 5.0}
_ACTIVATION_OF_EXPERTS = 2.0
_NCCL_GIB_AT_TP8 = 0.38


@dataclass(frozen=True)
class Workload:
    """The load that a replica must hold: `sequences` of `context_tokens` each, and one step of `batch_tokens`."""

    context_tokens: int
    sequences: int = 1
    batch_tokens: int = 8192
    kv_cache: KvCacheType | None = None
    kv_fraction: float = 0.9


@dataclass(frozen=True)
class ReplicaSize:
    """One replica on `gpus` GPUs. Memory is in GiB for each GPU of the pipeline stage that needs the most."""

    model: Model
    weights: WeightFormat
    kv_cache: KvCacheType
    gpu: Gpu
    tensor_parallel: int
    pipeline_parallel: int
    workload: Workload
    weights_gib: float
    activations_gib: float
    runtime_gib: float
    nccl_gib: float
    kv_gib: float
    kv_bytes_per_token: int
    """Bytes on each GPU, for each token of a sequence of the workload's context."""
    replica_weight_bytes: float
    """Bytes of the weights of the whole replica."""
    active_weight_bytes: float
    """The part of them that is read for one token: all without the experts that its router does not choose."""

    @property
    def gpus(self) -> int:
        """GPUs of the replica."""
        return self.tensor_parallel * self.pipeline_parallel

    @property
    def parallelism(self) -> str:
        """The parallelism in short, such as TP8 × PP2."""
        return f"TP{self.tensor_parallel} × PP{self.pipeline_parallel}"

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV cache holds; 0 when the weights alone fill the GPU."""
        return max(0, int(self.kv_gib * GIB // self.kv_bytes_per_token))

    @property
    def needed_tokens(self) -> int:
        """Tokens that the workload needs."""
        return self.workload.context_tokens * self.workload.sequences

    @property
    def concurrent_sequences(self) -> int:
        """Sequences of the longest context that the KV cache holds."""
        return self.kv_tokens // self.workload.context_tokens

    @property
    def fits(self) -> bool:
        """Whether the weights and the KV cache of the workload fit."""
        return self.kv_tokens >= self.needed_tokens

    def arithmetic(self) -> list[str]:
        """Return the calculation as lines of text."""
        used = self.weights_gib + self.activations_gib + self.runtime_gib + self.nccl_gib
        free = self.gpu.memory_gib - used
        held = self.gpus * self.gpu.memory_mib * 2**20 / 1e9
        work = self.workload
        return [
            f"{self.model.name} {self.weights.name.value}, KV cache {self.kv_cache.value}: "
            f"{self.parallelism} = {self.gpus} × {self.gpu.name}; "
            f"weights {self.replica_weight_bytes / 1e9:,.0f} GB against {held:,.0f} GB of GPU memory",
            f"per GPU: {self.gpu.memory_gib:.2f} GiB − weights {self.weights_gib:.2f} − activations "
            f"{self.activations_gib:.2f} − runtime {self.runtime_gib:.2f} − NCCL {self.nccl_gib:.2f} "
            f"= {free:.2f} GiB free",
            f"KV cache: {work.kv_fraction:g} × {max(free, 0):.2f} = {max(self.kv_gib, 0):.2f} GiB ÷ "
            f"{self.kv_bytes_per_token:,} B a token = {self.kv_tokens:,} tokens; "
            f"{work.sequences} × {work.context_tokens:,} = {self.needed_tokens:,} needed",
        ]


def size_replica(
    model: Model, weights: WeightFormat, gpu: Gpu, tensor_parallel: int, pipeline_parallel: int, workload: Workload
) -> ReplicaSize:
    """Return the memory of one replica, whether it fits or not.

    Args:
        model: the model.
        weights: the format of its weights.
        gpu: the GPU.
        tensor_parallel: GPUs of one node that share each layer, 1 or more.
        pipeline_parallel: nodes that share the layers, 1 or more.
        workload: the load that the replica must hold.
    """
    tp, pp = tensor_parallel, pipeline_parallel
    kv_cache = workload.kv_cache or weights.kv_cache
    per_stage = ceil(model.layers / pp)
    stages = [range(first, min(first + per_stage, model.layers)) for first in range(0, model.layers, per_stage)]
    tables = 1 if model.tied_embeddings else 2
    # The first of several stages has the embedding and the last one the output head: at most one table for each.
    stage_tables = 1 if pp > 1 else tables
    stage_bytes = max(_find_layer_bytes(model, weights, stage) for stage in stages) + (
        stage_tables * model.embedding_parameters + model.hidden
    ) * _find_dense_bytes(model, weights, EMBEDDING_BYTES)
    sequence_values = max(model.kv_values(stage, workload.context_tokens, tp) for stage in stages)
    activations = 2 * workload.batch_tokens * model.hidden * _find_activation_coefficient(model, tp) / GIB
    nccl = _NCCL_GIB_AT_TP8 * min(tp, 8) / 8 if tp > 1 else 0.0
    weights_gib = stage_bytes / tp / GIB
    free = gpu.memory_gib - weights_gib - activations - RUNTIME_GIB - nccl
    return ReplicaSize(
        model=model,
        weights=weights,
        kv_cache=kv_cache,
        gpu=gpu,
        tensor_parallel=tp,
        pipeline_parallel=pp,
        workload=workload,
        weights_gib=weights_gib,
        activations_gib=activations,
        runtime_gib=RUNTIME_GIB,
        nccl_gib=nccl,
        kv_gib=workload.kv_fraction * free,
        kv_bytes_per_token=ceil(sequence_values * kv_cache.bytes_per_value / workload.context_tokens),
        replica_weight_bytes=calculate_weight_bytes(model, weights),
        active_weight_bytes=calculate_weight_bytes(model, weights, active=True),
    )


def calculate_weight_bytes(model: Model, weights: WeightFormat, *, active: bool = False) -> float:
    """Return the bytes of the weights of one replica on any number of GPUs.

    Args:
        model: the model.
        weights: the format of its weights.
        active: count only the weights that compute one token.
    """
    tables = (1 if model.tied_embeddings else 2) * model.embedding_parameters + model.hidden
    layers = _find_layer_bytes(model, weights, model.all_layers, active=active)
    return layers + tables * _find_dense_bytes(model, weights, EMBEDDING_BYTES)


def _find_layer_bytes(model: Model, weights: WeightFormat, layers: range, *, active: bool = False) -> float:
    """Return the bytes of some layers."""
    share = model.experts.active / model.experts.count if active and model.experts else 1
    dense = model.dense_parameters(layers) * _find_dense_bytes(model, weights, 0)
    return dense + model.expert_parameters(layers) * share * weights.bytes_per_parameter


def _find_dense_bytes(model: Model, weights: WeightFormat, at_least: float) -> float:
    """Return the bytes of a parameter outside the experts."""
    if weights.experts_only and model.experts is not None:
        at_least = max(at_least, EMBEDDING_BYTES)
    return max(at_least, weights.bytes_per_parameter)


def fit_replica(
    model: Model,
    weights: WeightFormat,
    gpu: Gpu,
    gpus_per_node: int,
    max_gpus: int,
    workload: Workload,
    *,
    tensor_parallel: int | None = None,
    pipeline_parallel: int | None = None,
) -> ReplicaSize:
    """Return the smallest replica that fits: with tensor parallelism within a node, then with pipeline stages as well.

    Args:
        model: the model.
        weights: the format of its weights.
        gpu: the GPU.
        gpus_per_node: GPUs of one machine.
        max_gpus: the most GPUs that the replica may use.
        workload: the load that the replica must hold.
        tensor_parallel: a fixed tensor parallelism, or None for any.
        pipeline_parallel: a fixed pipeline parallelism, or None for any.

    Raises:
        DoesNotFitError: no replica fits on `max_gpus` GPUs; it shows the calculation of the largest one.
    """
    last: ReplicaSize | None = None
    for tp, pp in _list_parallelisms(model, gpus_per_node, max_gpus, tensor_parallel, pipeline_parallel):
        last = size_replica(model, weights, gpu, tp, pp, workload)
        if last.fits:
            return last
    if last is None:
        asked = f"TP{tensor_parallel or '?'} × PP{pipeline_parallel or '?'}"
        rule = (
            f"{asked} is not possible: tensor parallelism divides {model.attention_heads} attention heads and is at "
            f"most {gpus_per_node}, the GPUs of a node; {max_gpus} GPUs in all"
        )
        raise DoesNotFitError(f"{model.name} at {weights.name.value}", [rule])
    raise DoesNotFitError(f"{model.name} at {weights.name.value} on {max_gpus} × {gpu.name}", last.arithmetic())


def _list_parallelisms(
    model: Model, gpus_per_node: int, max_gpus: int, tensor_parallel: int | None, pipeline_parallel: int | None
) -> Iterator[tuple[int, int]]:
    """Yield tensor and pipeline parallelisms, the fewest GPUs first.

    Several stages use whole nodes, because tensor traffic needs the links inside a node.
    """
    powers = [2**n for n in range(gpus_per_node.bit_length()) if 2**n <= gpus_per_node]
    degrees = [tensor_parallel] if tensor_parallel else powers
    possible = [tp for tp in degrees if tp <= gpus_per_node and model.attention_heads % tp == 0]
    for pp in [pipeline_parallel] if pipeline_parallel else range(1, min(max_gpus, model.layers) + 1):
        for tp in possible if pp == 1 or tensor_parallel else possible[-1:]:
            if tp * pp <= max_gpus and pp <= model.layers:
                yield tp, pp


def _find_activation_coefficient(model: Model, tensor_parallel: int) -> float:
    known = [tp for tp in _ACTIVATION_COEFFICIENT if tp <= tensor_parallel]
    return _ACTIVATION_COEFFICIENT[max(known)] * (1 if model.experts is None else _ACTIVATION_OF_EXPERTS)
