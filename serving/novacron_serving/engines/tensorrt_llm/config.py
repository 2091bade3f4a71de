"""Configuration of the TensorRT-LLM engine.

Defaults are those of TensorRT-LLM 1.2 (`tensorrt_llm/llmapi/llm_args.py`) unless a docstring gives a reason.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from novacron_serving.engines.tensorrt_llm.quantization import Architecture, Quantization, resolve_format


class Settings(BaseModel):
    """Base of all settings: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class KvCacheSettings(Settings):
    """The key-value cache."""

    block_reuse: bool = True
    """Reuse the cache for prompts with a common prefix."""
    partial_reuse: bool = True
    """Reuse also part of a block."""
    free_gpu_memory_fraction: float = Field(default=0.9, gt=0, lt=1)
    """Share of the memory that is *free* after the weights are loaded, not of all memory."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Limit in tokens, in addition to the fraction; the smaller one applies. None: the fraction alone."""
    dtype: Literal["auto", "fp8"] = "auto"
    """`auto`: the dtype that the checkpoint declares."""
    host_cache_gib: float = Field(default=0, ge=0)
    """Host memory for blocks that do not fit on the GPU. 0: none."""
    tokens_per_block: Literal[8, 16, 32, 64, 128] = 32
    """Size of a cache block."""
    window_tokens: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] | None = None
    """Tokens that each layer keeps, repeated over the layers: for models with a sliding window, or with chunks.

    None: every layer keeps the whole context.
    """
    event_buffer_max_events: int = Field(default=0, ge=0)
    """Cache events kept for a router that queries the contents of the cache. 0: none."""

    @model_validator(mode="after")
    def _events_need_reuse(self) -> KvCacheSettings:
        if self.event_buffer_max_events and not self.block_reuse:
            raise ValueError("event_buffer_max_events needs block_reuse: without reuse there are no cache events")
        return self


class SchedulerSettings(Settings):
    """How requests are batched. The library's `scheduler_config` is a prototype feature, passed only if set."""

    capacity_policy: Literal["GUARANTEED_NO_EVICT", "MAX_UTILIZATION"] = "GUARANTEED_NO_EVICT"
    """`MAX_UTILIZATION` admits more requests, and may have to pause some."""
    chunking_policy: Literal["FIRST_COME_FIRST_SERVED", "EQUAL_PROGRESS"] | None = None
    """Order in which long prompts are computed. None: the library's default."""


class CudaGraphSettings(Settings):
    """Decoding steps recorded once and replayed."""

    enabled: bool = True
    """Whether decoding steps are recorded."""
    max_batch_size: int | None = Field(default=None, ge=1)
    """Largest batch that is recorded. None: `max_concurrent_requests`."""
    padding: bool = True
    """Round batches up to the next recorded size. Off by default in the library, which calls it "usually a net win"."""


class Sampler(str, Enum):
    """The samplers of TensorRT-LLM 1.2. They support different features (`admission`)."""

    TORCH = "torch"
    """The default. Log probabilities of several tokens and speculative decoding, but neither penalties nor seeds."""
    TRTLLM = "trtllm"
    """Penalties and seeds, but not speculative decoding. Removed in 1.3."""


class DraftModel(Settings):
    """Speculative decoding with a smaller model."""

    method: Literal["draft-model"]
    """Draft tokens with a smaller model."""
    path: Path
    """Folder of the smaller model."""
    draft_tokens: int = Field(ge=1)
    """Tokens drafted per step."""


class Eagle3(Settings):
    """Speculative decoding with an EAGLE-3 head that was trained for this model."""

    method: Literal["eagle3"]
    """Draft tokens with an EAGLE-3 head."""
    path: Path
    """Folder of the EAGLE-3 head."""
    draft_tokens: int = Field(ge=1)
    """Tokens drafted per step."""
    one_model: bool = False
    """Faster, but sampling is greedy at any temperature, so requests with a temperature are rejected."""
    # The source is the description of `allow_advanced_sampling` in later versions.


class Mtp(Settings):
    """Speculative decoding with the model's multi-token prediction layers. Greedy (NVIDIA/TensorRT-LLM #5627)."""

    method: Literal["mtp"]
    """Draft tokens with the model's multi-token prediction layers."""
    draft_tokens: int = Field(default=1, ge=1)
    """Tokens drafted per step."""


class NGram(Settings):
    """Speculative decoding with n-grams of the prompt."""

    method: Literal["ngram"]
    """Draft tokens with n-grams of the prompt."""
    draft_tokens: int = Field(ge=1)
    """Tokens drafted per step."""
    max_matching_tokens: int = Field(default=2, ge=1)
    """Longest n-gram that is looked up in the prompt."""


Speculative = Annotated[DraftModel | Eagle3 | Mtp | NGram, Field(discriminator="method")]


class LoraSettings(Settings):
    """LoRA adapters that requests can select."""

    adapters: dict[str, Path] = Field(min_length=1)
    """Folders of the adapters by name."""
    max_rank: int = Field(default=64, ge=1)
    """Largest rank of an adapter."""
    max_on_gpu: int | None = Field(default=None, ge=1)
    """Number of adapters kept on the GPU. None: limited by memory."""
    max_in_host_memory: int | None = Field(default=None, ge=1)
    """Number of adapters kept in host memory. None: limited by memory."""


class DisaggregationSettings(Settings):
    """Transfer of the key-value cache from a prefill to a decode worker. A prototype feature of the library."""

    backend: Literal["DEFAULT", "UCX", "NIXL", "MPI"] = "DEFAULT"
    """Transport of the cache. `DEFAULT`: the library's choice."""
    max_tokens_in_buffer: int = Field(ge=1)
    """At least the longest prompt. A longer one could not be transferred."""
    transfer_timeout_s: float | None = Field(default=None, gt=0)
    """Time limit of a transfer. None: unlimited.

    A prefill worker needs a limit, because it keeps a prompt's cache until it is fetched.
    """


class TensorRtLlmConfig(Settings):
    """Settings of the TensorRT-LLM engine."""

    kind: Literal["tensorrt-llm"] = "tensorrt-llm"
    """Selects the TensorRT-LLM engine."""
    tensor_parallel: int = Field(default=1, ge=1)
    """GPUs that share each layer."""
    pipeline_parallel: int = Field(default=1, ge=1)
    """Groups of GPUs that share the layers."""
    moe_expert_parallel: int | None = Field(default=None, ge=1)
    """GPUs that share the experts of a mixture-of-experts model. None: the library's default."""
    gpus_per_node: int | None = Field(default=None, ge=1)
    """GPUs per machine. None: all GPUs of this machine. Required if the model spans machines."""
    launch_port: int = Field(default=2222, ge=1024, le=65535)
    """Port of the SSH server on the other machines, if the model spans machines."""
    quantization: Quantization | None = None
    """Required weight format of the checkpoint. None: any format that runs on the GPU."""
    gpu_architecture: Architecture | None = None
    """Architecture of the GPUs. None: detected."""
    dtype: Literal["auto", "bfloat16", "float16"] = "auto"
    """Data type of the computation. `auto`: the dtype that the checkpoint declares."""
    max_concurrent_requests: int = Field(default=256, ge=1)
    """Maximum batch size. The library's default of 2,048 reserves memory for more sequences than a replica needs."""
    max_waiting_requests: int = Field(default=1024, ge=0)
    """Further requests that wait for a slot. Beyond this limit the response is 503."""
    max_context_tokens: int | None = Field(default=None, ge=16)
    """Upper bound for the context of the model. None: no other bound."""
    chat_template: Path | None = None
    """File with the Jinja chat template to use instead of the model's. None: the model's own."""
    max_step_tokens: int = Field(default=8192, ge=1)
    """Maximum tokens per step, over all requests."""
    chunked_prefill: bool = True
    """Compute long prompts in several steps. Off (the library's default): prompts longer than a step are rejected."""
    overlap_scheduler: bool = True
    """Prepare the next step on the CPU while the GPU computes the current one."""
    sampler: Sampler = Sampler.TORCH
    """`torch`: log probabilities of several tokens, speculative decoding. `trtllm`: penalties and seeds."""
    stream_interval_tokens: int = Field(default=1, ge=1)
    """Tokens in each chunk of a streamed response."""
    guided_decoding: Literal["xgrammar", "llguidance"] | None = "xgrammar"
    """Library for guided decoding. None: requests for it are rejected."""
    trust_remote_code: bool = False
    """Run Python code from the model's folder."""
    kv_cache: KvCacheSettings = KvCacheSettings()
    cuda_graphs: CudaGraphSettings = CudaGraphSettings()
    scheduler: SchedulerSettings | None = None
    """How requests are batched. None: the library's default."""
    speculative: Speculative | None = None
    """Speculative decoding; `method` selects how tokens are drafted. None: off."""
    lora: LoraSettings | None = None
    """LoRA adapters that requests can select. None: no adapters."""
    disaggregation: DisaggregationSettings | None = None
    """Transfer of the key-value cache from a prefill to a decode worker, which both of them need. None: off."""
    iteration_stats: bool = False
    """Read the library's load statistics after each step. A prototype feature."""
    unhealthy_after_s: float = Field(default=120, gt=0)
    """The engine counts as hung when requests are running and none has produced output for this long."""

    @model_validator(mode="after")
    def _fits_together(self) -> TensorRtLlmConfig:
        if self.max_step_tokens < self.max_concurrent_requests:
            raise ValueError(
                f"max_step_tokens is {self.max_step_tokens}, which is less than max_concurrent_requests "
                f"{self.max_concurrent_requests}; each request needs a token per step, so raise max_step_tokens"
            )
        if self.gpus_per_node and self.ranks > self.gpus_per_node and self.ranks % self.gpus_per_node:
            raise ValueError(
                f"tensor_parallel × pipeline_parallel is {self.ranks}; it must be a multiple of gpus_per_node, "
                f"which is {self.gpus_per_node}"
            )
        if self.sampler is Sampler.TRTLLM and self.speculative is not None:
            raise ValueError("sampler trtllm does not support speculative; leave one of them out")
        if self.quantization is not None and self.gpu_architecture is not None:
            resolve_format(self.quantization, self.gpu_architecture)
        if self.max_context_tokens is not None:
            self.check_transfer_buffer(self.max_context_tokens)
        return self

    @property
    def ranks(self) -> int:
        """Number of processes, one per GPU."""
        return self.tensor_parallel * self.pipeline_parallel

    @property
    def spans_machines(self) -> bool:
        """Whether the ranks are on several machines."""
        return self.gpus_per_node is not None and self.ranks > self.gpus_per_node

    @property
    def is_always_greedy(self) -> bool:
        """Whether speculative decoding is greedy at any temperature."""
        return isinstance(self.speculative, Mtp) or (
            isinstance(self.speculative, Eagle3) and self.speculative.one_model
        )

    def check_transfer_buffer(self, longest_prompt_tokens: int) -> None:
        """Raise `ValueError` if the longest prompt could not be transferred."""
        if self.disaggregation is None or self.disaggregation.max_tokens_in_buffer >= longest_prompt_tokens:
            return
        raise ValueError(
            f"disaggregation.max_tokens_in_buffer is {self.disaggregation.max_tokens_in_buffer}, which is less than "
            f"the longest prompt of {longest_prompt_tokens} tokens; raise it, or lower max_context_tokens"
        )
