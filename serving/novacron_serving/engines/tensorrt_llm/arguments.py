"""Translates settings and requests into TensorRT-LLM's arguments. Pure functions, without the library.

Names are those of 1.2. Two of them have new names in 1.3, which still accepts the old ones:
`speculative_model_dir` (now `speculative_model`) and MTP's `num_nextn_predict_layers` (now `max_draft_len`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novacron_serving.engines import GenerationRequest, Guide, GuideKind
from novacron_serving.engines.tensorrt_llm.config import (
    DraftModel,
    Eagle3,
    LoraSettings,
    Mtp,
    NGram,
    Sampler,
    TensorRtLlmConfig,
)

GIB = 2**30
SEEDS = 2**63


@dataclass(frozen=True, slots=True)
class Struct:
    """The class name and arguments of one of the library's objects."""

    name: str
    fields: Mapping[str, Any]


def build(value: Any, class_of: Callable[[str], Any]) -> Any:
    """Make the library's object of a `Struct`. Return any other value unchanged."""
    return class_of(value.name)(**value.fields) if isinstance(value, Struct) else value


def make_llm_arguments(config: TensorRtLlmConfig, model_path: Path, context_tokens: int) -> dict[str, Any]:
    """Return the arguments of `tensorrt_llm.LLM`. Those of prototype features are passed only if configured."""
    arguments: dict[str, Any] = {
        "model": str(model_path),
        "trust_remote_code": config.trust_remote_code,
        "tensor_parallel_size": config.tensor_parallel,
        "pipeline_parallel_size": config.pipeline_parallel,
        "dtype": config.dtype,
        "max_batch_size": config.max_concurrent_requests,
        "max_num_tokens": config.max_step_tokens,
        "max_input_len": context_tokens - 1,  # the default is 1,024
        "enable_chunked_prefill": config.chunked_prefill,
        "stream_interval": config.stream_interval_tokens,
        "kv_cache_config": make_kv_cache_config(config),
        "cuda_graph_config": make_cuda_graph_config(config),
    }
    optional = {
        "gpus_per_node": config.gpus_per_node,
        "moe_expert_parallel_size": config.moe_expert_parallel,
        "max_seq_len": config.max_context_tokens,
        "guided_decoding_backend": config.guided_decoding,
        "sampler_type": "TRTLLMSampler" if config.sampler is Sampler.TRTLLM else None,
        "disable_overlap_scheduler": None if config.overlap_scheduler else True,
        "enable_iter_perf_stats": True if config.iteration_stats else None,
        "scheduler_config": make_scheduler_config(config),
        "speculative_config": make_speculative_config(config),
        "cache_transceiver_config": make_transceiver_config(config),
    }
    if config.lora is not None:
        arguments |= {"enable_lora": True, "lora_config": make_lora_config(config.lora)}
    return arguments | {name: value for name, value in optional.items() if value is not None}


def make_kv_cache_config(config: TensorRtLlmConfig) -> Struct:
    """Return the `KvCacheConfig`."""
    cache = config.kv_cache
    fields: dict[str, Any] = {
        "enable_block_reuse": cache.block_reuse,
        "enable_partial_reuse": cache.partial_reuse,
        "free_gpu_memory_fraction": cache.free_gpu_memory_fraction,
        "dtype": cache.dtype,
        "tokens_per_block": cache.tokens_per_block,
        "event_buffer_max_size": cache.event_buffer_max_events,
    }
    if cache.max_tokens is not None:
        fields["max_tokens"] = cache.max_tokens
    if cache.window_tokens is not None:
        fields["max_attention_window"] = list(cache.window_tokens)
    if cache.host_cache_gib:
        fields["host_cache_size"] = int(cache.host_cache_gib * GIB)
    return Struct("KvCacheConfig", fields)


def make_cuda_graph_config(config: TensorRtLlmConfig) -> Struct | None:
    """Return the `CudaGraphConfig`. None turns CUDA graphs off."""
    graphs = config.cuda_graphs
    if not graphs.enabled:
        return None
    size = graphs.max_batch_size or config.max_concurrent_requests
    return Struct("CudaGraphConfig", {"max_batch_size": size, "enable_padding": graphs.padding})


def make_scheduler_config(config: TensorRtLlmConfig) -> Struct | None:
    """Return the `SchedulerConfig`, if configured."""
    settings = config.scheduler
    if settings is None:
        return None
    fields = {"capacity_scheduler_policy": settings.capacity_policy}
    if settings.chunking_policy is not None:
        fields["context_chunking_policy"] = settings.chunking_policy
    return Struct("SchedulerConfig", fields)


def make_speculative_config(config: TensorRtLlmConfig) -> Struct | None:
    """Return one of the `DecodingConfig` classes, if configured."""
    match config.speculative:
        case DraftModel(path=path, draft_tokens=tokens):
            return Struct("DraftTargetDecodingConfig", {"max_draft_len": tokens, "speculative_model_dir": str(path)})
        case Eagle3(path=path, draft_tokens=tokens, one_model=one_model):
            fields = {"max_draft_len": tokens, "speculative_model_dir": str(path), "eagle3_one_model": one_model}
            return Struct("EagleDecodingConfig", fields)
        case Mtp(draft_tokens=tokens):
            return Struct("MTPDecodingConfig", {"num_nextn_predict_layers": tokens})
        case NGram(draft_tokens=tokens, max_matching_tokens=matching):
            return Struct("NGramDecodingConfig", {"max_draft_len": tokens, "max_matching_ngram_size": matching})
        case None:
            return None


def make_lora_config(settings: LoraSettings) -> Struct:
    """Return the `LoraConfig`."""
    fields: dict[str, Any] = {
        "lora_dir": [str(path) for path in settings.adapters.values()],
        "max_lora_rank": settings.max_rank,
    }
    limits = {"max_loras": settings.max_on_gpu, "max_cpu_loras": settings.max_in_host_memory}
    return Struct("LoraConfig", fields | {name: value for name, value in limits.items() if value is not None})


def make_lora_request(settings: LoraSettings | None, name: str) -> Struct | None:
    """Return the `LoRARequest` of an adapter, or None if there is no adapter of this name."""
    if settings is None or name not in settings.adapters:
        return None
    number = list(settings.adapters).index(name) + 1  # the library's key; the name is informative
    fields = {"lora_name": name, "lora_int_id": number, "lora_path": str(settings.adapters[name])}
    return Struct("LoRARequest", fields)


def make_transceiver_config(config: TensorRtLlmConfig) -> Struct | None:
    """Return the `CacheTransceiverConfig`, if disaggregation is configured."""
    settings = config.disaggregation
    if settings is None:
        return None
    fields: dict[str, Any] = {"backend": settings.backend, "max_tokens_in_buffer": settings.max_tokens_in_buffer}
    if settings.transfer_timeout_s is not None:
        fields["kv_transfer_timeout_ms"] = max(1, round(settings.transfer_timeout_s * 1000))
    return Struct("CacheTransceiverConfig", fields)


def make_disaggregated_params(request: GenerationRequest) -> Struct | None:
    """Return the `DisaggregatedParams` of a request that two workers share."""
    if request.prefill_only:
        return Struct("DisaggregatedParams", {"request_type": "context_only"})
    transfer = request.kv_transfer
    if transfer is None:
        return None
    fields: dict[str, Any] = {
        "request_type": "generation_only",
        "first_gen_tokens": list(transfer.first_tokens),
        "ctx_request_id": transfer.context_request_id,
        "opaque_state": transfer.opaque_state,
        "draft_tokens": None if transfer.draft_tokens is None else list(transfer.draft_tokens),
    }
    return Struct("DisaggregatedParams", fields)


def make_sampling_arguments(request: GenerationRequest, max_tokens: int, seed: int) -> dict[str, Any]:
    """Return the arguments of `SamplingParams` for one choice, except `embedding_bias`, which is a tensor.

    The worker converts tokens to text itself (`detokenize` is off) and finds stop texts in the text. The library looks
    for the tokens of a stop text. It misses one that the model writes with other tokens, and streams its start.

    Args:
        request: the request.
        max_tokens: limit of the choice.
        seed: of the choice.
    """
    sampling = request.sampling
    arguments: dict[str, Any] = {
        "max_tokens": max_tokens,  # the default is 32
        "n": 1,
        "seed": seed % SEEDS,  # the default is the same for every request
        "detokenize": False,
    }
    if sampling.temperature == 0:
        arguments["top_k"] = 1  # the library then samples greedily
    else:
        arguments |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
        if sampling.top_k is not None:
            arguments["top_k"] = sampling.top_k
        if sampling.min_p:
            arguments["min_p"] = sampling.min_p
    if request.min_tokens:
        arguments["min_tokens"] = request.min_tokens
    if request.ignore_eos:
        arguments["ignore_eos"] = True
    if sampling.presence_penalty:
        arguments["presence_penalty"] = sampling.presence_penalty
    if sampling.frequency_penalty:
        arguments["frequency_penalty"] = sampling.frequency_penalty
    if sampling.repetition_penalty != 1:
        arguments["repetition_penalty"] = sampling.repetition_penalty
    if request.logprobs is not None:
        arguments["logprobs"] = max(1, request.logprobs)  # 0 means none for the library
    if request.guide is not None:
        arguments["guided_decoding"] = make_guided_decoding(request.guide)
    return arguments


def make_guided_decoding(guide: Guide) -> Struct:
    """Return the `GuidedDecodingParams`."""
    match guide.kind:
        case GuideKind.JSON_OBJECT:
            fields: dict[str, Any] = {"json_object": True}
        case GuideKind.JSON_SCHEMA:
            fields = {"json": guide.value}
        case GuideKind.REGEX:
            fields = {"regex": guide.value}
        case GuideKind.STRUCTURAL_TAG:
            fields = {"structural_tag": guide.value}
    return Struct("GuidedDecodingParams", fields)
