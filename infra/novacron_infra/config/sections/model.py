"""`model`: the model, its profiles and how it is served."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from pydantic import Field, PositiveInt

from novacron_infra.catalog import EngineKind, KvCacheType, Quantization
from novacron_infra.config.sections.base import Count, Name, Section
from novacron_infra.config.sections.model_store import ModelStore


class ProfileName(str, Enum):
    """Why a replica has the quantisation that it has."""

    BALANCED = "balanced"
    QUALITY = "quality"
    MEMORY = "memory"


class Profile(Section):
    """A kind of replica. The first profile takes the GPUs that the minima of the others leave."""

    name: ProfileName
    quantization: Quantization
    minimum_replicas: Count
    """Never fewer in all regions; 0: started on demand."""
    tensor_parallel: PositiveInt | None = None
    """GPUs of one node that share each layer; none: the smallest that fits."""
    pipeline_parallel: PositiveInt | None = None
    """Nodes that share the layers; none: the smallest that fits."""


class Loader(Section):
    """How weights come from the model store."""

    timeout_s: PositiveInt = 600
    """For one replica, all retries included."""
    retries: Annotated[int, Field(ge=0, le=100)] = 3
    """Further attempts after a failed read."""
    parallel: Annotated[int, Field(gt=0, le=1024)] = 8
    """Files that are read at once."""


class ModelServing(Section):
    """The model, and how it is served."""

    id: Name
    """A model of the catalogue."""
    engine: EngineKind = EngineKind.TENSORRT_LLM
    context_tokens: PositiveInt
    """Longest prompt and answer together."""
    profiles: Annotated[tuple[Profile, ...], Field(min_length=1)]
    """Kinds of replicas; the first serves by default."""
    minimum_concurrent_sequences: PositiveInt = 1
    """Sequences of the whole context that one replica must hold at once."""
    max_batch_tokens: PositiveInt = 8192
    """Tokens of one engine step (max_num_tokens)."""
    kv_cache: KvCacheType | None = None
    """Number format of the KV cache; none: the one that goes with the weights."""
    kv_cache_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Of the memory that is free once the weights are loaded."""
    store: ModelStore
    loader: Loader = Loader()
