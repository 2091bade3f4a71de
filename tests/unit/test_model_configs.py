"""Models read from their config.json: parameters and KV cache against published figures, and files that are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from novacron_infra.catalog import ModelConfigError, find_model, load_models, read_model_folder
from novacron_infra.catalog.lookup import load_quantizations
from novacron_infra.plan.sizing import calculate_weight_bytes

DEEPSEEK: dict[str, Any] = {
    "model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
    "num_key_value_heads": 128, "intermediate_size": 18432, "vocab_size": 129280, "moe_intermediate_size": 2048,
    "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3,
    "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128,
    "max_position_embeddings": 163840, "torch_dtype": "bfloat16", "tie_word_embeddings": False,
}  # fmt: skip
KIMI = DEEPSEEK | {
    "model_type": "kimi_k2", "num_attention_heads": 64, "vocab_size": 163840, "n_routed_experts": 384,
    "first_k_dense_replace": 1, "max_position_embeddings": 131072, "q_lora_rank": 1536,
}  # fmt: skip
DEEPSEEK_LITE = DEEPSEEK | {
    "model_type": "deepseek_v2", "hidden_size": 2048, "num_hidden_layers": 27, "num_attention_heads": 16,
    "num_key_value_heads": 16, "intermediate_size": 10944, "vocab_size": 102400, "moe_intermediate_size": 1408,
    "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1,
    "q_lora_rank": None,
}  # fmt: skip
QWEN: dict[str, Any] = {
    "model_type": "qwen3_moe", "hidden_size": 4096, "num_hidden_layers": 94, "num_attention_heads": 64,
    "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 12288, "moe_intermediate_size": 1536,
    "num_experts": 128, "num_experts_per_tok": 8, "decoder_sparse_step": 1, "mlp_only_layers": [],
    "vocab_size": 151936, "max_position_embeddings": 40960, "sliding_window": None, "use_sliding_window": False,
    "tie_word_embeddings": False,
}  # fmt: skip
QWEN_SMALL = QWEN | {
    "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32, "intermediate_size": 6144,
    "moe_intermediate_size": 768,
}  # fmt: skip
MIXTRAL: dict[str, Any] = {
    "model_type": "mixtral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "num_local_experts": 8, "num_experts_per_tok": 2,
    "vocab_size": 32000, "max_position_embeddings": 32768, "sliding_window": None, "tie_word_embeddings": False,
}  # fmt: skip
MIXTRAL_LARGE = MIXTRAL | {
    "hidden_size": 6144, "num_hidden_layers": 56, "num_attention_heads": 48, "intermediate_size": 16384,
    "max_position_embeddings": 65536,
}  # fmt: skip
SCOUT: dict[str, Any] = {
    "model_type": "llama4", "vision_config": {"hidden_size": 1408}, "text_config": {
        "model_type": "llama4_text", "hidden_size": 5120, "num_hidden_layers": 48, "num_attention_heads": 40,
        "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 8192, "intermediate_size_mlp": 16384,
        "num_local_experts": 16, "num_experts_per_tok": 1, "interleave_moe_layer_step": 1, "vocab_size": 202048,
        "attention_chunk_size": 8192, "no_rope_layers": [], "max_position_embeddings": 10485760,
    },
}  # fmt: skip
MAVERICK = SCOUT | {
    "text_config": SCOUT["text_config"] | {
        "num_local_experts": 128, "interleave_moe_layer_step": 2, "max_position_embeddings": 1048576,
        "no_rope_layers": [1, 1, 1, 0] * 12,
    },
}  # fmt: skip
GPT_OSS: dict[str, Any] = {
    "model_type": "gpt_oss", "hidden_size": 2880, "num_hidden_layers": 36, "num_attention_heads": 64,
    "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 2880, "num_local_experts": 128,
    "experts_per_token": 4, "num_experts_per_tok": 4, "vocab_size": 201088, "sliding_window": 128,
    "max_position_embeddings": 131072, "tie_word_embeddings": False,
    "layer_types": ["sliding_attention", "full_attention"] * 18,
}  # fmt: skip
GPT_OSS_SMALL = GPT_OSS | {
    "num_hidden_layers": 24, "num_local_experts": 32, "layer_types": ["sliding_attention", "full_attention"] * 12,
}  # fmt: skip
GLM_AIR: dict[str, Any] = {
    "model_type": "glm4_moe", "hidden_size": 4096, "num_hidden_layers": 46, "num_attention_heads": 96,
    "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 10944, "moe_intermediate_size": 1408,
    "n_routed_experts": 128, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 1,
    "vocab_size": 151552, "max_position_embeddings": 131072, "tie_word_embeddings": False,
}  # fmt: skip
LLAMA: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072,
}  # fmt: skip
GEMMA: dict[str, Any] = {
    "model_type": "gemma3", "text_config": {
        "model_type": "gemma3_text", "hidden_size": 5376, "num_hidden_layers": 62, "num_attention_heads": 32,
        "num_key_value_heads": 16, "head_dim": 128, "intermediate_size": 21504, "vocab_size": 262208,
        "sliding_window": 1024, "max_position_embeddings": 131072,
    },
}  # fmt: skip


def read(folder: Path, config: object) -> Any:
    (folder / "config.json").write_text(json.dumps(config))
    return read_model_folder(folder)


PUBLISHED = {
    # Name in the catalogue, config.json, 10^9 parameters and 10^9 active parameters, source. Read on 2026-11-30.
    "DeepSeek-V3": ("deepseek-v3", DEEPSEEK, 671, 37, "model card: 671B in total, 37B activated"),
    "Kimi-K2": ("kimi-k2", KIMI, 1026, 32, "model card: 1T in total, 32B activated; 1,026B without rounding"),
    "DeepSeek-V2-Lite": (None, DEEPSEEK_LITE, 15.7, 2.4, "model card: 15.7B in total, 2.4B activated"),
    "Qwen3-235B-A22B": ("qwen3-235b-a22b", QWEN, 235, 22, "model card: 235B in total, 22B activated"),
    "Qwen3-30B-A3B": ("qwen3-30b-a3b", QWEN_SMALL, 30.5, 3.3, "model card: 30.5B in total, 3.3B activated"),
    "Mixtral-8x7B": ("mixtral-8x7b", MIXTRAL, 46.7, 12.9, "Mistral AI: 46.7B in total, 12.9B per token"),
    "Mixtral-8x22B": ("mixtral-8x22b", MIXTRAL_LARGE, 141, 39, "Mistral AI: 141B in total, 39B active"),
    "Llama-4-Scout": ("llama-4-scout", SCOUT, 109, 17, "model card: 109B in total, vision included, 17B activated"),
    "Llama-4-Maverick": ("llama-4-maverick", MAVERICK, 400, 17, "model card: 400B in total, 17B activated"),
    # Some cards do not count the embedding as active, or neither embedding nor output head.
    "gpt-oss-120b": ("gpt-oss-120b", GPT_OSS, 116.8, 5.1 + 0.58, "model card: 116.83B in total, 5.13B active"),
    "gpt-oss-20b": ("gpt-oss-20b", GPT_OSS_SMALL, 20.9, 3.6 + 0.58, "model card: 20.91B in total, 3.61B active"),
    "GLM-4.5-Air": (None, GLM_AIR, 106, 12 + 1.24, "model card: 106B in total, 12B active"),
    "Llama-3.1-8B": ("llama-3.1-8b", LLAMA, 8.03, 8.03, "model card: 8.03B"),
    "Gemma-3-27B": (None, GEMMA, 27, 27, "technical report: 27B, vision not counted"),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_that_are_published(name: str, tmp_path: Path) -> None:
    entry, config, total, active, _ = PUBLISHED[name]
    model = read(tmp_path, config)
    assert model.parameters / 1e9 == pytest.approx(total, rel=0.012)
    assert model.active_parameters / 1e9 == pytest.approx(active, rel=0.12 if name == "DeepSeek-V2-Lite" else 0.03)
    if entry is not None:
        same = {"name", "source", "as_of"}
        assert find_model(entry).model_dump(exclude=same) == model.model_dump(exclude=same)


@pytest.mark.parametrize(
    ("config", "context_tokens", "expected"),
    [
        # 61 layers of 512 + 64 values, which all heads share.
        (DEEPSEEK, 32768, 61 * 576),
        (DEEPSEEK_LITE, 32768, 27 * 576),
        (QWEN, 32768, 94 * 2 * 4 * 128),
        (MIXTRAL, 32768, 32 * 2 * 8 * 128),
        (LLAMA, 1, 32 * 2 * 8 * 128),
        # 18 of 36 layers keep 128 tokens, of a context of 128 and of 12,800.
        (GPT_OSS, 128, 36 * 2 * 8 * 64),
        (GPT_OSS, 12_800, (18 + 18 * 0.01) * 2 * 8 * 64),
        # 36 of 48 layers keep a chunk of 8,192.
        (SCOUT, 8192, 48 * 2 * 8 * 128),
        (MAVERICK, 81_920, (12 + 36 * 0.1) * 2 * 8 * 128),
        # 10 of 62 layers keep everything.
        (GEMMA, 10_240, (10 + 52 * 0.1) * 2 * 16 * 128),
        (MIXTRAL | {"sliding_window": 4096}, 40_960, 32 * 0.1 * 2 * 8 * 128),
        (MIXTRAL | {"sliding_window": 32768}, 32768, 32 * 2 * 8 * 128),
    ],
)
def test_the_kv_cache_of_a_token_is_what_the_layers_keep(
    config: dict[str, Any], context_tokens: int, expected: float, tmp_path: Path
) -> None:
    model = read(tmp_path, config)
    assert model.kv_bytes_per_token(context_tokens, 1) == pytest.approx(expected)
    assert model.kv_bytes_per_token(context_tokens, 2) == pytest.approx(2 * expected)


@pytest.mark.parametrize("model_type", ["qwen3_next", "mamba", "deepseek_v32", "falcon", "", "MIXTRAL"])
def test_a_type_that_is_not_known_is_refused_and_similar_ones_suggested(model_type: str, tmp_path: Path) -> None:
    with pytest.raises(ModelConfigError, match=r"model_type = .*the architecture is not known") as caught:
        read(tmp_path, DEEPSEEK | {"model_type": model_type})
    (found,) = caught.value.problems
    assert "catalog/models.yaml" in found.fix


def without(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in keys}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (without(DEEPSEEK, "kv_lora_rank", "vocab_size"), {"kv_lora_rank": "is missing", "vocab_size": "is missing"}),
        (without(DEEPSEEK, "model_type"), {"model_type": "is missing: it is required"}),
        (without(MIXTRAL, "num_local_experts"), {"num_local_experts": "is missing"}),
        (without(QWEN, "moe_intermediate_size"), {"moe_intermediate_size": "is missing"}),
        (without(GPT_OSS, "num_experts_per_tok", "experts_per_token"), {"num_experts_per_tok": "is missing"}),
        (LLAMA | {"hidden_size": "4096"}, {"hidden_size": "it is not a whole number"}),
        (LLAMA | {"num_hidden_layers": 0}, {"num_hidden_layers": "0: it must be from 1 to"}),
        (LLAMA | {"num_hidden_layers": True}, {"num_hidden_layers": "true: it is not a whole number"}),
        (LLAMA | {"vocab_size": -1, "hidden_size": 1.5}, {"hidden_size": "1.5", "vocab_size": "-1: it must be"}),
        (LLAMA | {"num_hidden_layers": 10**12}, {"num_hidden_layers": "it must be from 1 to"}),
        (LLAMA | {"num_key_value_heads": 7}, {"num_key_value_heads": "7: it must divide num_attention_heads, which"}),
        (LLAMA | {"num_key_value_heads": 64}, {"num_key_value_heads": "64: it must divide"}),
        (LLAMA | {"hidden_size": 4097}, {"num_attention_heads": "32: it must divide hidden_size, which is 4097"}),
        (LLAMA | {"num_local_experts": 8}, {"num_local_experts": "8: models of the type llama have no experts"}),
        (LLAMA | {"tie_word_embeddings": "no"}, {"tie_word_embeddings": "it is neither true nor false"}),
        (MIXTRAL | {"num_experts_per_tok": 9}, {"num_experts_per_tok": "9: it must be at most num_local_experts"}),
        (DEEPSEEK | {"first_k_dense_replace": 61}, {"first_k_dense_replace": "61: it must be less than"}),
        (DEEPSEEK | {"moe_layer_freq": 2}, {"moe_layer_freq": "2: layers with experts must follow each other"}),
        (QWEN | {"mlp_only_layers": [5]}, {"mlp_only_layers": "only the first layers may be without experts"}),
        (QWEN | {"mlp_only_layers": "all"}, {"mlp_only_layers": "all: it is not a list of whole numbers"}),
        (GPT_OSS | {"layer_types": ["full_attention"]}, {"layer_types": "for each of the 36 layers"}),
        (GPT_OSS | {"layer_types": ["linear_attention"] * 36}, {"layer_types": "it must have one of full_attention"}),
        (
            GPT_OSS | {"layer_types": ["full_attention"] * 3 + ["sliding_attention"] * 33},
            {"layer_types": "must be evenly spaced"},
        ),
        (
            QWEN | {"use_sliding_window": True, "sliding_window": 4096},
            {"layer_types": "is missing: it is required for a qwen3_moe model with a sliding window"},
        ),
    ],
)
def test_a_config_that_is_wrong_gets_every_problem_with_its_key(
    config: dict[str, Any], expected: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ModelConfigError) as caught:
        read(tmp_path, config)
    found = {problem.path.rpartition(": ")[2]: str(problem) for problem in caught.value.problems}
    assert found.keys() == expected.keys()
    for key, text in expected.items():
        assert text in found[key]
        assert str(tmp_path / "config.json") in found[key]


def test_problems_of_a_language_model_name_its_section(tmp_path: Path) -> None:
    config = SCOUT | {"text_config": without(SCOUT["text_config"], "hidden_size")}
    with pytest.raises(ModelConfigError, match=r"config\.json: text_config: hidden_size is missing"):
        read(tmp_path, config)


@pytest.mark.parametrize("config", [[], 3, None, "llama"])
def test_a_config_must_be_an_object(config: object, tmp_path: Path) -> None:
    with pytest.raises(ModelConfigError, match=r"config\.json = .*: it is not a JSON object"):
        read(tmp_path, config)


def test_a_folder_without_a_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelConfigError, match="Use a Hugging Face folder"):
        read_model_folder(tmp_path)


def test_the_documentation_has_the_sizes_of_the_catalogue() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    formats = {item.name.value: item for item in load_quantizations().formats}
    for model in load_models().values():
        if model.name == "novacron-tiny":
            continue
        names = ["bf16", "fp8", "nvfp4", *(["mxfp4"] if model.experts else [])]
        weights = [f"{calculate_weight_bytes(model, formats[name]) / 2**30:,.0f}" for name in names]
        cells = [
            model.name,
            f"{model.parameters / 1e9:,.1f}",
            f"{model.active_parameters / 1e9:,.1f}",
            *weights,
            *([] if model.experts else ["–"]),
            f"{model.kv_bytes_per_token(8192, 1):,.0f}",
        ]
        assert f"| {' | '.join(cells)} |" in page
