"""`model`: the model, its profiles and how it is served."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from pydantic import Field, PositiveInt

from novacron_infra.catalog import EngineKind, KvCacheType, Quantization
from novacron_infra.config.sections.base import Count, Name, Section
from novacron_infra.config.sections.model_store import ModelStore


class ProfileName(str, Enum):
    """The aim of the quantization of a replica."""

    BALANCED = "balanced"
    """Both quality and memory."""
    QUALITY = "quality"
    """Quality: a wider number format."""
    MEMORY = "memory"
    """Memory: a narrower number format."""


class Profile(Section):
    """A kind of replica. The first profile also gets the GPUs that the minimum replicas of all profiles leave free."""

    name: ProfileName
    """Aim of the quantization of these replicas."""
    quantization: Quantization
    """Number format of the weights.
    A width such as `int8` becomes the format of that width that the GPU supports; a format such as `fp8` is exact."""
    minimum_replicas: Count
    """Number of replicas that always run, in all regions together. With 0, replicas start on demand."""
    tensor_parallel: PositiveInt | None = None
    """Number of GPUs of one node that share each layer. Without it, the plan chooses the smallest replica that fits."""
    pipeline_parallel: PositiveInt | None = None
    """Number of nodes that share the layers. Without it, the plan chooses the smallest replica that fits."""


class Loader(Section):
    """How workers load weights from the model store."""

    timeout_s: PositiveInt = 600
    """Seconds that loading one replica may take, including retries."""
    retries: Annotated[int, Field(ge=0, le=100)] = 3
    """Number of times that a failed read is repeated."""
    parallel: Annotated[int, Field(ge=1, le=1024)] = 32
    """Number of files that are read at the same time. Object storage delivers about 85 MB/s for each."""


class ModelServing(Section):
    """The model, and how it is served."""

    id: Name
    """Model to serve, a name from the catalogue such as llama-3.1-405b."""
    engine: EngineKind = EngineKind.TENSORRT_LLM
    """Inference engine that runs the model."""
    context_tokens: PositiveInt
    """Longest context in tokens: prompt and completion together."""
    profiles: Annotated[tuple[Profile, ...], Field(min_length=1)]
    """Kinds of replicas. The first one serves requests that do not ask for another."""
    minimum_concurrent_sequences: PositiveInt = 1
    """Number of sequences of the longest context that the KV cache of one replica must hold."""
    max_batch_tokens: PositiveInt = 8192
    """Highest number of tokens in one step of the engine (`max_num_tokens` of TensorRT-LLM)."""
    kv_cache: KvCacheType | None = None
    """Number format of the KV cache. Without it, the format that suits the weights."""
    kv_cache_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Part of the GPU memory that is free after loading the weights, which the KV cache uses."""
    store: ModelStore
    """Where the weights are stored."""
    loader: Loader = Loader()
    """How workers load weights from the model store."""
