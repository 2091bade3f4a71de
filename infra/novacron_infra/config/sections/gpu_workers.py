"""`gpu_workers`: workers with TensorRT-LLM on the GPU nodes of a cluster of your own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from novacron_infra.catalog import Quantization
from novacron_infra.config.sections.base import Gib, Instances, LabelKey, LabelValue, Name, Section
from novacron_infra.config.sections.hardware import Resources
from novacron_infra.config.sections.model import Loader


class OwnGpuWorkers(Section):
    """Workers with TensorRT-LLM on GPU nodes. They replace `workers`, and serve a model of the catalogue."""

    replicas: Instances = 1
    """Number of replicas of the model."""
    machine: Name
    """Machine of the catalogue with the GPUs of your nodes, such as p5.48xlarge for 8 H100.
    Its number of GPUs and its network between nodes decide how a replica is split."""
    node_labels: dict[LabelKey, LabelValue] = {}  # noqa: RUF012 - pydantic copies the default of a field
    """Labels that the GPU nodes have. Without any, workers run on every node with free GPUs."""
    quantization: Quantization
    """Number format of the weights, a width such as `int8` or a format such as `fp8`."""
    context_tokens: PositiveInt
    """Longest context in tokens: prompt and completion together."""
    tensor_parallel: PositiveInt | None = None
    """Number of GPUs of one node that share each layer. Without it, the smallest replica that fits."""
    pipeline_parallel: PositiveInt | None = None
    """Number of nodes that share the layers. Without it, the smallest replica that fits."""
    max_batch_tokens: PositiveInt = 8192
    """Highest number of tokens in one step of the engine."""
    kv_cache_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Part of the GPU memory that is free after loading the weights, which the KV cache uses."""
    resources: Resources = Resources(cpu_request=32, cpu_limit=64, memory_request_gib=256, memory_limit_gib=512)
    """Requests and limits of each pod's container."""
    shared_memory_gib: Gib = 32
    """Size of the memory-backed /dev/shm of each pod in GiB. It counts against the memory limit."""
    cache_gib: PositiveInt | None = None
    """Size of downloaded models on the node's disk in GiB. Without it, twice the weights."""
    loader: Loader = Loader()
    """How workers download the weights."""
