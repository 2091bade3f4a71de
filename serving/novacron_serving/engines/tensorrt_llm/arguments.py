"""From our settings to TensorRT-LLM's arguments: pure functions, without the library.

Names are those of 1.2. Two of them have successors in 1.3 that 1.2 does not know; 1.3 takes both still:
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
    """An object of one of the library's classes, before there is one."""

    name: str
    fields: Mapping[str, Any]


def build(value: Any, class_of: Callable[[str], Any]) -> Any:
    """The object itself; what is no `Struct` stays as it is."""
    return class_of(value.name)(**value.fields) if isinstance(value, Struct) else value


def llm_arguments(config: TensorRtLlmConfig, model_path: Path, context_tokens: int) -> dict[str, Any]:
    """Arguments of `tensorrt_llm.LLM`. A checkpoint goes there as it is; prototypes are passed only when asked for."""
    arguments: dict[str, Any] = {
        "model": str(model_path),
        "trust_remote_code": config.trust_remote_code,
        "tensor_parallel_size": config.tensor_parallel,
        "pipeline_parallel_size": config.pipeline_parallel,
        "dtype": config.dtype,
        "max_batch_size": config.max_concurrent_requests,
        "max_num_tokens": config.max_step_tokens,
        "max_input_len": context_tokens - 1,  # 1,024 otherwise
        "enable_chunked_prefill": config.chunked_prefill,
        "stream_interval": config.stream_interval_tokens,
        "kv_cache_config": kv_cache(config),
        "cuda_graph_config": cuda_graphs(config),
    }
    optional = {
        "gpus_per_node": config.gpus_per_node,
        "moe_expert_parallel_size": config.moe_expert_parallel,
        "max_seq_len": config.max_context_tokens,
        "guided_decoding_backend": config.guided_decoding,
        "sampler_type": "TRTLLMSampler" if config.sampler is Sampler.TRTLLM else None,
        "disable_overlap_scheduler": None if config.overlap_scheduler else True,
        "enable_iter_perf_stats": True if config.iteration_stats else None,
        "scheduler_config": scheduler(config),
        "speculative_config": speculative(config),
        "cache_transceiver_config": cache_transceiver(config),
    }
    if config.lora is not None:
        arguments |= {"enable_lora": True, "lora_config": lora(config.lora)}
    return arguments | {name: value for name, value in optional.items() if value is not None}


def kv_cache(config: TensorRtLlmConfig) -> Struct:
    """`KvCacheConfig`."""
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
    if cache.host_cache_gib:
        fields["host_cache_size"] = int(cache.host_cache_gib * GIB)
    return Struct("KvCacheConfig", fields)


def cuda_graphs(config: TensorRtLlmConfig) -> Struct | None:
    """`CudaGraphConfig`; None turns them off."""
    graphs = config.cuda_graphs
    if not graphs.enabled:
        return None
    size = graphs.max_batch_size or config.max_concurrent_requests
    return Struct("CudaGraphConfig", {"max_batch_size": size, "enable_padding": graphs.padding})


def scheduler(config: TensorRtLlmConfig) -> Struct | None:
    """`SchedulerConfig`, when asked for."""
    asked = config.scheduler
    if asked is None:
        return None
    fields = {"capacity_scheduler_policy": asked.capacity_policy}
    if asked.chunking_policy is not None:
        fields["context_chunking_policy"] = asked.chunking_policy
    return Struct("SchedulerConfig", fields)


def speculative(config: TensorRtLlmConfig) -> Struct | None:
    """One of the `DecodingConfig` classes, when asked for."""
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


def lora(settings: LoraSettings) -> Struct:
    """`LoraConfig`."""
    fields: dict[str, Any] = {
        "lora_dir": [str(path) for path in settings.adapters.values()],
        "max_lora_rank": settings.max_rank,
    }
    limits = {"max_loras": settings.max_on_gpu, "max_cpu_loras": settings.max_in_host_memory}
    return Struct("LoraConfig", fields | {name: value for name, value in limits.items() if value is not None})


def lora_request(settings: LoraSettings | None, name: str) -> Struct | None:
    """`LoRARequest` of an adapter; None when there is none of that name."""
    if settings is None or name not in settings.adapters:
        return None
    number = list(settings.adapters).index(name) + 1  # the library's own key; the name is for people
    fields = {"lora_name": name, "lora_int_id": number, "lora_path": str(settings.adapters[name])}
    return Struct("LoRARequest", fields)


def cache_transceiver(config: TensorRtLlmConfig) -> Struct | None:
    """`CacheTransceiverConfig`, when asked for."""
    asked = config.disaggregation
    if asked is None:
        return None
    fields: dict[str, Any] = {"backend": asked.backend, "max_tokens_in_buffer": asked.max_tokens_in_buffer}
    if asked.transfer_timeout_s is not None:
        fields["kv_transfer_timeout_ms"] = max(1, round(asked.transfer_timeout_s * 1000))
    return Struct("CacheTransceiverConfig", fields)


def disaggregated(request: GenerationRequest) -> Struct | None:
    """`DisaggregatedParams` of a request that is one half of two."""
    if request.hands_over:
        return Struct("DisaggregatedParams", {"request_type": "context_only"})
    handed = request.handed_over
    if handed is None:
        return None
    fields: dict[str, Any] = {
        "request_type": "generation_only",
        "first_gen_tokens": list(handed.first_tokens),
        "ctx_request_id": handed.context_request_id,
        "opaque_state": handed.opaque_state,
        "draft_tokens": None if handed.draft_tokens is None else list(handed.draft_tokens),
    }
    return Struct("DisaggregatedParams", fields)


def sampling_arguments(request: GenerationRequest, max_tokens: int, seed: int) -> dict[str, Any]:
    """Arguments of `SamplingParams` for one of a request's answers; `embedding_bias` is a tensor, and not made here.

    Text is made of the tokens by us (`detokenize` off), and stop texts are found in it. The library would look for a
    stop text's own tokens, which miss it where the model spells it with others, and would have streamed its beginning.
    """
    sampling = request.sampling
    arguments: dict[str, Any] = {
        "max_tokens": max_tokens,  # 32 otherwise
        "n": 1,
        "seed": seed % SEEDS,  # the same for every request otherwise
        "detokenize": False,
    }
    if sampling.temperature == 0:
        arguments["top_k"] = 1  # the library samples greedily when nothing else is said
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
        arguments["logprobs"] = max(1, request.logprobs)  # 0 asks for none there
    if request.guide is not None:
        arguments["guided_decoding"] = guided_decoding(request.guide)
    return arguments


def guided_decoding(guide: Guide) -> Struct:
    """`GuidedDecodingParams`."""
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
