"""What a worker with TensorRT-LLM is told.

Defaults are those of TensorRT-LLM 1.2 (its `tensorrt_llm/llmapi/llm_args.py`) unless a line says why not.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from novacron_serving.engines.tensorrt_llm.quantization import Architecture, Quantization, resolve


class Settings(BaseModel):
    """Frozen, and no key that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class KvCacheSettings(Settings):
    """The key-value cache."""

    block_reuse: bool = True
    """Prompts that begin alike share what was computed."""
    partial_reuse: bool = True
    """Also when they part within a block."""
    free_gpu_memory_fraction: float = Field(default=0.9, gt=0, lt=1)
    """Of what is *free* once the weights are loaded, not of the whole memory."""
    max_tokens: int | None = Field(default=None, ge=1)
    """A limit beside the fraction; the smaller one counts."""
    dtype: Literal["auto", "fp8"] = "auto"
    """`auto`: what the checkpoint says."""
    host_cache_gib: float = Field(default=0, ge=0)
    """Memory of the machine for blocks that the GPU has no room for; 0: none."""
    tokens_per_block: Literal[8, 16, 32, 64, 128] = 32
    event_buffer_max_events: int = Field(default=0, ge=0)
    """Cache events kept for a router that asks what is cached; 0: none."""

    @model_validator(mode="after")
    def _events_need_reuse(self) -> KvCacheSettings:
        if self.event_buffer_max_events and not self.block_reuse:
            raise ValueError("event_buffer_max_events needs block_reuse: without reuse there are no cache events")
        return self


class SchedulerSettings(Settings):
    """How requests get into the batch. The library calls its `scheduler_config` a prototype: passed when given."""

    capacity_policy: Literal["GUARANTEED_NO_EVICT", "MAX_UTILIZATION"] = "GUARANTEED_NO_EVICT"
    """The second takes more requests and may have to pause some."""
    chunking_policy: Literal["FIRST_COME_FIRST_SERVED", "EQUAL_PROGRESS"] | None = None


class CudaGraphSettings(Settings):
    """Decoding steps recorded once and replayed."""

    enabled: bool = True
    max_batch_size: int | None = Field(default=None, ge=1)
    """None: as many as requests run at once."""
    padding: bool = True
    """Batches are rounded up to the next recorded size; the library's default is off, its text "usually a net win"."""


class Sampler(str, Enum):
    """What picks tokens: each of 1.2's two samplers has what the other lacks (`admission`)."""

    TORCH = "torch"
    """The library's choice: log probabilities of several tokens, drafting; neither penalties nor seeds."""
    TRTLLM = "trtllm"
    """Penalties and seeds; no drafting. Gone in 1.3."""


class DraftModel(Settings):
    """A smaller model drafts."""

    method: Literal["draft-model"]
    path: Path
    draft_tokens: int = Field(ge=1)


class Eagle3(Settings):
    """An EAGLE-3 head drafts, trained for this very model."""

    method: Literal["eagle3"]
    path: Path
    draft_tokens: int = Field(ge=1)
    one_model: bool = False
    """Faster, and then every answer is greedy, whatever temperature is asked for (so the text of
    `allow_advanced_sampling`, which came after 1.2): requests for another are refused."""


class Mtp(Settings):
    """The model's own multi-token prediction layers draft. Answers are greedy (NVIDIA/TensorRT-LLM #5627)."""

    method: Literal["mtp"]
    draft_tokens: int = Field(default=1, ge=1)


class NGram(Settings):
    """The prompt's own repetitions draft."""

    method: Literal["ngram"]
    draft_tokens: int = Field(ge=1)
    max_matching_tokens: int = Field(default=2, ge=1)


Speculative = Annotated[DraftModel | Eagle3 | Mtp | NGram, Field(discriminator="method")]


class LoraSettings(Settings):
    """Adapters that requests may name."""

    adapters: dict[str, Path] = Field(min_length=1)
    """Folder of each adapter, by its name."""
    max_rank: int = Field(default=64, ge=1)
    max_on_gpu: int | None = Field(default=None, ge=1)
    """Adapters; None: by memory."""
    max_in_host_memory: int | None = Field(default=None, ge=1)


class DisaggregationSettings(Settings):
    """Handing the key-value cache of a prompt from a worker that reads it to one that answers. A prototype there."""

    backend: Literal["DEFAULT", "UCX", "NIXL", "MPI"] = "DEFAULT"
    max_tokens_in_buffer: int = Field(ge=1)
    """At least the longest input: a longer one could never be handed over."""
    transfer_timeout_s: float | None = Field(default=None, gt=0)
    """None: no limit. A worker that only reads prompts needs one: it keeps what it has read until it is fetched."""


class TensorRtLlmConfig(Settings):
    """Settings of the engine."""

    kind: Literal["tensorrt-llm"] = "tensorrt-llm"
    tensor_parallel: int = Field(default=1, ge=1)
    pipeline_parallel: int = Field(default=1, ge=1)
    moe_expert_parallel: int | None = Field(default=None, ge=1)
    gpus_per_node: int | None = Field(default=None, ge=1)
    """None: all that this machine has; needed when the model spans machines."""
    quantization: Quantization | None = None
    """What the checkpoint must be; None: whatever it says it is, if the GPU runs that."""
    gpu_architecture: Architecture | None = None
    """None: asked of the GPU."""
    dtype: Literal["auto", "bfloat16", "float16"] = "auto"
    max_concurrent_requests: int = Field(default=256, ge=1)
    """The largest batch. The library's 2,048 takes memory for more sequences than a replica is planned for."""
    max_waiting_requests: int = Field(default=1024, ge=0)
    max_context_tokens: int | None = Field(default=None, ge=16)
    """At most the model's own; None: just that."""
    max_step_tokens: int = Field(default=8192, ge=1)
    """Tokens that one step computes, over all requests."""
    chunked_prefill: bool = True
    """Long prompts in several steps; off, as in the library, a prompt longer than a step is refused."""
    overlap_scheduler: bool = True
    sampler: Sampler = Sampler.TORCH
    stream_interval_tokens: int = Field(default=1, ge=1)
    guided_decoding: Literal["xgrammar", "llguidance"] | None = "xgrammar"
    """What holds answers to a schema or expression; None: requests for it are refused."""
    trust_remote_code: bool = False
    """Run Python code that lies in the model's folder."""
    kv_cache: KvCacheSettings = KvCacheSettings()
    cuda_graphs: CudaGraphSettings = CudaGraphSettings()
    scheduler: SchedulerSettings | None = None
    speculative: Speculative | None = None
    lora: LoraSettings | None = None
    disaggregation: DisaggregationSettings | None = None
    iteration_stats: bool = False
    """Ask the library for its own load figures after each step; it calls them a prototype."""
    unhealthy_after_s: float = Field(default=120, gt=0)
    """With requests under way and no output of any of them for so long, the engine is taken for hung."""

    @model_validator(mode="after")
    def _fits_together(self) -> TensorRtLlmConfig:
        if self.max_step_tokens < self.max_concurrent_requests:
            raise ValueError(
                f"max_step_tokens {self.max_step_tokens} is less than max_concurrent_requests "
                f"{self.max_concurrent_requests}: each of them needs a token in a step; raise the first"
            )
        if self.gpus_per_node and self.ranks > self.gpus_per_node and self.ranks % self.gpus_per_node:
            raise ValueError(
                f"tensor_parallel × pipeline_parallel is {self.ranks}, no multiple of gpus_per_node "
                f"{self.gpus_per_node}: machines are used whole"
            )
        if self.sampler is Sampler.TRTLLM and self.speculative is not None:
            raise ValueError("sampler trtllm does not work with speculative; leave one of them out")
        if self.quantization is not None and self.gpu_architecture is not None:
            resolve(self.quantization, self.gpu_architecture)
        if self.max_context_tokens is not None:
            self.check_transfer_buffer(self.max_context_tokens)
        return self

    @property
    def ranks(self) -> int:
        """Processes, one for each GPU."""
        return self.tensor_parallel * self.pipeline_parallel

    @property
    def drafts_greedily(self) -> bool:
        """Whether answers are greedy, whatever is asked for."""
        return isinstance(self.speculative, Mtp) or (
            isinstance(self.speculative, Eagle3) and self.speculative.one_model
        )

    def check_transfer_buffer(self, longest_input_tokens: int) -> None:
        """Raises `ValueError` when the longest input could not be handed over."""
        if self.disaggregation is None or self.disaggregation.max_tokens_in_buffer >= longest_input_tokens:
            return
        raise ValueError(
            f"disaggregation.max_tokens_in_buffer {self.disaggregation.max_tokens_in_buffer} is less than the longest "
            f"input, {longest_input_tokens} tokens; raise it, or lower max_context_tokens"
        )
