"""The arguments passed to TensorRT-LLM, compared with its published names, types and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from novacron_serving.engines import GenerationRequest, Guide, GuideKind, Sampling, TextPrompt
from novacron_serving.engines.tensorrt_llm.arguments import (
    Struct,
    make_guided_decoding,
    make_llm_arguments,
    make_lora_request,
    make_sampling_arguments,
)
from novacron_serving.engines.tensorrt_llm.config import TensorRtLlmConfig
from pydantic import ValidationError

from .stand_in import FACTS

MODEL = Path("/models/llama")
CONTEXT = 4096
TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "bool": bool,
    "int": int,
    "float": (int, float),
    "bytes": bytes,
}

PLAIN: dict[str, Any] = {}
SPECULATIVE = [
    {"method": "draft-model", "path": "/models/draft", "draft_tokens": 4},
    {"method": "eagle3", "path": "/models/eagle", "draft_tokens": 3},
    {"method": "mtp", "draft_tokens": 2},
    {"method": "ngram", "draft_tokens": 5, "max_matching_tokens": 3},
]
EVERYTHING: dict[str, Any] = {
    "tensor_parallel": 8,
    "pipeline_parallel": 2,
    "gpus_per_node": 8,
    "moe_expert_parallel": 4,
    "max_context_tokens": 2048,
    "dtype": "bfloat16",
    "overlap_scheduler": False,
    "iteration_stats": True,
    "guided_decoding": "llguidance",
    "kv_cache": {"dtype": "fp8", "host_cache_gib": 1.5, "max_tokens": 9999, "event_buffer_max_events": 64},
    "scheduler": {"capacity_policy": "MAX_UTILIZATION", "chunking_policy": "EQUAL_PROGRESS"},
    "lora": {"adapters": {"law": "/a/law", "code": "/a/code"}, "max_on_gpu": 2, "max_in_host_memory": 8},
    "disaggregation": {"backend": "UCX", "max_tokens_in_buffer": 2048, "transfer_timeout_s": 0.5},
}
CONFIGS = [
    PLAIN,
    EVERYTHING,
    {"sampler": "trtllm"},
    {"cuda_graphs": {"enabled": False}},
    *({"speculative": method} for method in SPECULATIVE),
]


def arguments(config: dict[str, Any], context: int = CONTEXT) -> dict[str, Any]:
    return make_llm_arguments(TensorRtLlmConfig(**config), MODEL, context)


def check(value: Any, type_: str) -> None:
    """A value is of the type that the library says."""
    if isinstance(value, Struct):
        assert value.name == type_ or (type_ == "DecodingConfig" and value.name.endswith(type_))
        fields = FACTS["classes"][value.name]
        for name, given in value.fields.items():
            check(given, fields[name][0])
    elif type_.startswith("list["):
        for item in value:
            check(item, type_[5:-1])
    elif "|" in type_:
        assert value in type_.split("|")
    else:
        assert isinstance(value, TYPES[type_])
        assert type_ == "bool" or not isinstance(value, bool)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_every_argument_exists_in_the_library_and_has_its_type(config: dict[str, Any]) -> None:
    for name, value in arguments(config).items():
        assert name not in FACTS["deprecated"]
        type_, default, _ = FACTS["llm"][name]
        if value is None:
            assert default is None
        else:
            check(value, type_)


def test_arguments_of_prototype_features_are_passed_only_if_configured() -> None:
    def prototypes(config: dict[str, Any]) -> set[str]:
        return {name for name in arguments(config) if FACTS["llm"][name][2] == "prototype"}

    assert prototypes(PLAIN) == set()
    assert prototypes({"scheduler": {}}) == {"scheduler_config"}
    assert prototypes({"iteration_stats": True}) == {"enable_iter_perf_stats"}
    assert prototypes({"disaggregation": {"max_tokens_in_buffer": 4096}}) == {"cache_transceiver_config"}


def test_defaults_are_those_of_the_library_with_documented_exceptions() -> None:
    passed = arguments(PLAIN)
    differing = {name for name, value in passed.items() if value != FACTS["llm"][name][1]}
    assert differing == {
        *("model", "max_batch_size", "max_input_len", "enable_chunked_prefill", "guided_decoding_backend"),
        *("kv_cache_config", "cuda_graph_config"),
    }
    cache = passed["kv_cache_config"]
    assert all(value == FACTS["classes"]["KvCacheConfig"][name][1] for name, value in cache.fields.items())


def test_layers_keep_the_whole_context_unless_windows_are_configured() -> None:
    assert "max_attention_window" not in arguments(PLAIN)["kv_cache_config"].fields
    passed = arguments(PLAIN | {"kv_cache": {"window_tokens": [128, 131072]}})
    assert passed["kv_cache_config"].fields["max_attention_window"] == [128, 131072]


def test_names_and_units_are_translated() -> None:
    passed = arguments(EVERYTHING, 2048)
    assert passed["kv_cache_config"].fields["host_cache_size"] == 3 * 2**29
    assert passed["cache_transceiver_config"].fields == {
        "backend": "UCX",
        "max_tokens_in_buffer": 2048,
        "kv_transfer_timeout_ms": 500,
    }
    assert passed["lora_config"].fields["lora_dir"] == ["/a/law", "/a/code"]
    assert (passed["max_seq_len"], passed["max_input_len"]) == (2048, 2047)
    assert passed["disable_overlap_scheduler"] is True
    config = TensorRtLlmConfig(**EVERYTHING)
    code = make_lora_request(config.lora, "code")
    assert code == Struct("LoRARequest", {"lora_name": "code", "lora_int_id": 2, "lora_path": "/a/code"})
    assert make_lora_request(config.lora, "cooking") is None
    assert make_lora_request(None, "law") is None


@pytest.mark.parametrize(
    ("method", "expected"),
    list(
        zip(
            SPECULATIVE,
            [
                Struct("DraftTargetDecodingConfig", {"max_draft_len": 4, "speculative_model_dir": "/models/draft"}),
                Struct(
                    "EagleDecodingConfig",
                    {"max_draft_len": 3, "speculative_model_dir": "/models/eagle", "eagle3_one_model": False},
                ),
                Struct("MTPDecodingConfig", {"num_nextn_predict_layers": 2}),
                Struct("NGramDecodingConfig", {"max_draft_len": 5, "max_matching_ngram_size": 3}),
            ],
            strict=True,
        )
    ),
)
def test_methods_of_speculative_decoding(method: dict[str, Any], expected: Struct) -> None:
    assert arguments({"speculative": method})["speculative_config"] == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"max_step_tokens": 8}, "max_step_tokens is 8, which is less than max_concurrent_requests 256"),
        ({"tensor_parallel": 12, "gpus_per_node": 8}, "is 12; it must be a multiple of gpus_per_node, which is 8"),
        ({"quantization": "int8", "gpu_architecture": "ampere"}, "use int4 or one of fp16, bf16, w4a16_awq"),
        ({"kv_cache": {"block_reuse": False, "event_buffer_max_events": 1}}, "needs block_reuse"),
        ({"kv_cache": {"free_gpu_memory_fraction": 1}}, "less than 1"),
        ({"kv_cache": {"window_tokens": []}}, "at least 1 item"),
        ({"kv_cache": {"window_tokens": [0]}}, "greater than or equal to 1"),
        ({"speculative": {"method": "medusa"}}, "medusa"),
        ({"lora": {"adapters": {}}}, "at least 1 item"),
        ({"sampler": "trtllm", "speculative": SPECULATIVE[3]}, "does not support speculative"),
        ({"backend": "pytorch"}, "Extra inputs are not permitted"),
        (
            {"max_context_tokens": 8192, "disaggregation": {"max_tokens_in_buffer": 8191}},
            "max_tokens_in_buffer is 8191, which is less than the longest prompt of 8192 tokens",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_cannot_work_are_rejected(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TensorRtLlmConfig(**config)
    assert message in str(caught.value)


def request(**options: Any) -> GenerationRequest:
    return GenerationRequest(request_id="r", prompt=TextPrompt("Hi"), **options)


ALL_SAMPLING = Sampling(
    temperature=0.7,
    top_p=0.9,
    top_k=40,
    min_p=0.1,
    presence_penalty=0.5,
    frequency_penalty=-0.5,
    repetition_penalty=1.1,
    seed=-1,
)


@pytest.mark.parametrize(
    "asked",
    [
        request(),
        request(min_tokens=3, ignore_eos=True),
        request(sampling=ALL_SAMPLING, logprobs=5, n=3, guide=Guide(GuideKind.JSON_SCHEMA, "{}")),
        request(sampling=Sampling(temperature=0), logprobs=0, guide=Guide(GuideKind.REGEX, "a+")),
    ],
    ids=["plain", "measured", "all", "greedy"],
)
def test_every_sampling_argument_exists_in_the_library_and_has_its_type(asked: GenerationRequest) -> None:
    check(Struct("SamplingParams", make_sampling_arguments(asked, 7, 3)), "SamplingParams")


def test_sampling_arguments_with_a_different_default_in_the_library_are_always_passed() -> None:
    passed = make_sampling_arguments(request(), 4000, 5)
    assert passed == {"max_tokens": 4000, "n": 1, "seed": 5, "detokenize": False, "temperature": 1.0, "top_p": 1.0}


def test_temperature_0_is_greedy() -> None:
    passed = make_sampling_arguments(request(sampling=Sampling(temperature=0, top_p=0.5, top_k=9)), 1, 0)
    assert passed == {"max_tokens": 1, "n": 1, "seed": 0, "detokenize": False, "top_k": 1}


def test_logprobs_0_still_requests_the_sampled_token() -> None:
    def requested(logprobs: int | None) -> object:
        return make_sampling_arguments(request(logprobs=logprobs), 1, 0).get("logprobs")

    assert [requested(logprobs) for logprobs in (None, 0, 4)] == [None, 1, 4]


@pytest.mark.parametrize(
    ("guide", "fields"),
    [
        (Guide(GuideKind.JSON_OBJECT), {"json_object": True}),
        (Guide(GuideKind.JSON_SCHEMA, '{"type": "object"}'), {"json": '{"type": "object"}'}),
        (Guide(GuideKind.REGEX, "[0-9]+"), {"regex": "[0-9]+"}),
    ],
)
def test_kinds_of_guides(guide: Guide, fields: dict[str, Any]) -> None:
    assert make_guided_decoding(guide) == Struct("GuidedDecodingParams", fields)
