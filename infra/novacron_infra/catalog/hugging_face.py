"""Reads the architecture of a model from the config.json of its Hugging Face folder.

Each model type has its own names for the same things, and its own defaults. A type that is not in one of the tables is
refused, because counting it as another one gives wrong sizes. Vision encoders are not counted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from novacron_infra.catalog.errors import ModelConfigError, suggest_names
from novacron_infra.catalog.models import AttentionWindow, Experts, LatentAttention, Model
from novacron_infra.errors import Problem
from novacron_infra.shown_values import show_value
from novacron_infra.user_files import UserFileError, parse_json, read_text

DENSE = (
    "gemma2", "gemma3_text", "granite", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3", "smollm3",
)  # fmt: skip
"""Types without experts."""
EXPERTS_KEYS = {
    "deepseek_v2": "n_routed_experts",
    "deepseek_v3": "n_routed_experts",
    "glm4_moe": "n_routed_experts",
    "gpt_oss": "num_local_experts",
    "kimi_k2": "n_routed_experts",
    "llama4_text": "num_local_experts",
    "mixtral": "num_local_experts",
    "qwen3_moe": "num_experts",
}
"""The key with the number of experts of each type that has some."""
LATENT = ("deepseek_v2", "deepseek_v3", "kimi_k2")
"""Types with multi-head latent attention."""
TIED = ("gemma2", "gemma3_text")
"""Types whose embeddings are tied unless config.json says otherwise."""
WRAPPERS = ("gemma3", "llama4", "mistral3")
"""Types that also take images. Their `text_config` describes the language model."""
FULL_EVERY = {"gemma2": 2, "gemma3_text": 6, "gpt_oss": 2, "llama4_text": 4, "mistral": 0, "mixtral": 0, "phi3": 0}
"""Types with a window, and which layers attend to the whole context unless `layer_types` says so."""
_LARGEST = 10**9
_QUERY_RANK = 1536
"""Rank of compressed queries where config.json has no `q_lora_rank`: the default of transformers."""
_MISSING = object()


def read_model_folder(folder: Path) -> Model:
    """Return the model in a Hugging Face folder.

    Raises:
        ModelConfigError: config.json is missing, is of a type that is not known, lacks figures or contradicts itself.
            The error has every problem.
    """
    path = folder / "config.json"
    try:
        values: object = parse_json(read_text(path), str(path))
    except UserFileError as error:
        rule, fix = str(error), "Use a Hugging Face folder with config.json, a tokenizer and safetensors"
        raise ModelConfigError([Problem(str(path), "(not shown)", rule, fix)]) from error
    reader = _Reader(str(path), values)
    reader.enter_text_config()
    model_type = reader.read_type()
    figures = _read_figures(reader, model_type) if model_type else {}
    if reader.problems:
        raise ModelConfigError(reader.problems)
    as_of = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.timezone.utc).date()
    draft = Model(name=folder.resolve().name, parameters=1, source=str(path), as_of=as_of, **figures)
    return draft.model_copy(update={"parameters": draft.computed_parameters})


class _Reader:
    """The values of a config.json, and the problems with them so far."""

    def __init__(self, path: str, values: object) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._values: Mapping[str, Any] = {}
        if isinstance(values, dict):
            self._values = cast("Mapping[str, Any]", values)
        else:
            self.report("", values, "it is not a JSON object", "Download the file again")

    def report(self, key: str, value: object, rule: str, fix: str) -> None:
        shown = None if value is _MISSING else show_value(value)
        self.problems.append(Problem(f"{self._path}: {key}" if key else self._path, shown, rule, fix))

    def get(self, key: str, default: object = None) -> Any:
        return self._values.get(key, default)

    def enter_text_config(self) -> None:
        """Read the language model of a model that also takes images."""
        inner = self.get("text_config")
        if self.get("model_type") not in WRAPPERS or not isinstance(inner, dict):
            return
        inherited = {key: self._values[key] for key in ("tie_word_embeddings",) if key in self._values}
        self._path += ": text_config"
        self._values = inherited | cast("dict[str, Any]", inner)

    def read_type(self) -> str | None:
        known = sorted([*DENSE, *EXPERTS_KEYS])
        found: object = self.get("model_type", _MISSING)
        if self.problems or (isinstance(found, str) and found in known):
            return cast("str | None", found) if not self.problems else None
        rule = "the architecture is not known, so neither parameters nor KV cache can be counted"
        hint = suggest_names(found, known) if isinstance(found, str) else f"Use one of {', '.join(known)}"
        own = "Or describe the model in catalog/models.yaml"
        self.report("model_type", found, "it is required" if found is _MISSING else rule, f"{hint.rstrip('.')}. {own}")
        return None

    def count(self, key: str, default: int | None = None, *, least: int = 1) -> int:
        """Return a whole number, and `least` after a problem with it. Null is as good as left out."""
        value: object = self.get(key)
        if value is None:
            if default is not None:
                return default
            self.report(key, _MISSING, "it is required for this model_type", "Add it, or download the file again")
        elif isinstance(value, bool) or not isinstance(value, int):
            self.report(key, value, "it is not a whole number", "Correct it, or download the file again")
        elif not least <= value <= _LARGEST:
            rule = f"it must be from {least} to {_LARGEST}"
            self.report(key, value, rule, "Correct it, or download the file again")
        else:
            return value
        return least

    def flag(self, key: str, *, default: bool) -> bool:
        value: object = self.get(key)
        if value is not None and not isinstance(value, bool):
            self.report(key, value, "it is neither true nor false", "Correct it, or download the file again")
        return default if not isinstance(value, bool) else value

    def whole_numbers(self, key: str) -> list[int] | None:
        """Return a list of whole numbers, or None if there is none."""
        value: object = self.get(key)
        if value is None:
            return None
        items = cast("list[object]", value) if isinstance(value, list) else [None]
        if not all(isinstance(item, int) and not isinstance(item, bool) for item in items):
            self.report(key, value, "it is not a list of whole numbers", "Correct it, or download the file again")
            return None
        return cast("list[int]", items)


def _read_figures(reader: _Reader, model_type: str) -> dict[str, Any]:
    layers, hidden, heads = (reader.count(key) for key in ("num_hidden_layers", "hidden_size", "num_attention_heads"))
    kv_heads = reader.count("num_key_value_heads", heads)
    latent = _read_latent_attention(reader) if model_type in LATENT else None
    if latent is not None:
        kv_heads, head_dim = heads, latent.nope_dim + latent.rope_dim
    else:
        head_dim = reader.count("head_dim", max(1, hidden // heads))
        comparable = not reader.problems
        if comparable and reader.get("head_dim") is None and hidden % heads:
            rule = f"it must divide hidden_size, which is {hidden}, because there is no head_dim"
            reader.report("num_attention_heads", heads, rule, "Correct one of them, or add head_dim")
        if comparable and heads % kv_heads:
            rule = f"it must divide num_attention_heads, which is {heads}"
            reader.report("num_key_value_heads", kv_heads, rule, "Correct one of them")
    experts = _read_experts(reader, model_type, layers)
    max_context_tokens = reader.count("max_position_embeddings")
    return {
        "layers": layers,
        "hidden": hidden,
        "intermediate": reader.count("intermediate_size_mlp" if model_type == "llama4_text" else "intermediate_size"),
        "attention_heads": heads,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "vocabulary": reader.count("vocab_size"),
        "tied_embeddings": reader.flag("tie_word_embeddings", default=model_type in TIED),
        "max_context_tokens": max_context_tokens,
        "experts": experts,
        "latent_attention": latent,
        "window": _read_window(reader, model_type, layers, max_context_tokens),
    }


def _read_latent_attention(reader: _Reader) -> LatentAttention:
    # Null says that queries are not compressed; a key that is left out has transformers' default.
    compressed = reader.get("q_lora_rank", _MISSING) is not None
    return LatentAttention(
        kv_rank=reader.count("kv_lora_rank"),
        rope_dim=reader.count("qk_rope_head_dim"),
        query_rank=reader.count("q_lora_rank", _QUERY_RANK) if compressed else None,
        nope_dim=reader.count("qk_nope_head_dim"),
        value_dim=reader.count("v_head_dim"),
    )


def _read_experts(reader: _Reader, model_type: str, layers: int) -> Experts | None:
    key = EXPERTS_KEYS.get(model_type)
    if key is None:
        for other in sorted(set(EXPERTS_KEYS.values())):
            if isinstance(reader.get(other), int) and reader.get(other) > 1:
                fix = f"Correct model_type, or remove {other}"
                reader.report(other, reader.get(other), f"models of the type {model_type} have no experts", fix)
        return None
    count, active = reader.count(key), reader.count("num_experts_per_tok", reader.get("experts_per_token"))
    if active > count:
        if not reader.problems:
            rule = f"it must be at most {key}, which is {count}"
            reader.report("num_experts_per_tok", active, rule, "Correct one of them")
        active = count
    fused = model_type in ("gpt_oss", "llama4_text", "mixtral")
    intermediate = reader.count("intermediate_size" if fused else "moe_intermediate_size")
    shared = first_layer = 0
    every = 1
    if key == "n_routed_experts":
        shared = reader.count("n_shared_experts", 0, least=0) * intermediate
        first_layer = reader.count("first_k_dense_replace", 0, least=0)
        if reader.count("moe_layer_freq", 1) != 1:
            rule = "layers with experts must follow each other"
            reader.report("moe_layer_freq", reader.get("moe_layer_freq"), rule, "Describe it in catalog/models.yaml")
    elif model_type == "llama4_text":
        shared, every = intermediate, reader.count("interleave_moe_layer_step", 1)
    elif model_type == "qwen3_moe":
        every = reader.count("decoder_sparse_step", 1)
        dense = reader.whole_numbers("mlp_only_layers") or []
        first_layer = len(dense)
        if sorted(dense) != list(range(len(dense))):
            rule = "only the first layers may be without experts"
            reader.report("mlp_only_layers", dense, rule, "Describe the model in catalog/models.yaml")
    if first_layer >= layers:
        rule = f"it must be less than num_hidden_layers, which is {layers}, for a model with experts"
        name = "mlp_only_layers" if model_type == "qwen3_moe" else "first_k_dense_replace"
        reader.report(name, reader.get(name), rule, "Correct one of them")
    return Experts(
        count=count,
        active=active,
        intermediate=intermediate,
        shared_intermediate=shared,
        first_layer=first_layer,
        every=every,
    )


def _read_window(reader: _Reader, model_type: str, layers: int, max_context_tokens: int) -> AttentionWindow | None:
    key = "attention_chunk_size" if model_type == "llama4_text" else "sliding_window"
    if reader.get(key) is None or reader.get("use_sliding_window") is False:
        return None
    tokens = reader.count(key)
    if tokens >= max_context_tokens:
        return None
    full = _find_full_layers(reader, model_type, layers)
    if full is None:
        return None
    if len(full) == layers:
        return None
    every = full[0] + 1 if full else 0
    if full != (list(range(every - 1, layers, every)) if every else []):
        rule = "layers that attend to the whole context must be evenly spaced"
        reader.report("layer_types", reader.get("layer_types"), rule, "Describe the model in catalog/models.yaml")
        return None
    return AttentionWindow(tokens=tokens, full_every=every)


def _find_full_layers(reader: _Reader, model_type: str, layers: int) -> list[int] | None:
    """Return the layers of a model with a window that attend to the whole context, or None after a problem."""
    types: object = reader.get("layer_types")
    if types is not None:
        names = cast("list[object]", types) if isinstance(types, list) else []
        known = ("full_attention", "sliding_attention", "chunked_attention")
        if len(names) != layers or any(name not in known for name in names):
            rule = f"it must have one of {', '.join(known)} for each of the {layers} layers"
            reader.report("layer_types", types, rule, "Correct it, or describe the model in catalog/models.yaml")
            return None
        return [at for at, name in enumerate(names) if name == "full_attention"]
    if model_type == "llama4_text" and (with_position := reader.whole_numbers("no_rope_layers")):
        return [at for at, rope in enumerate(with_position) if rope == 0]
    if model_type not in FULL_EVERY:
        rule = f"it is required for a {model_type} model with a sliding window"
        reader.report("layer_types", _MISSING, rule, "Add it, or set use_sliding_window to false")
        return None
    default = FULL_EVERY[model_type]
    spacing = {"gemma3_text": "sliding_window_pattern", "llama4_text": "no_rope_layer_interval"}.get(model_type)
    every = reader.count(spacing, default) if spacing else default
    return list(range(every - 1, layers, every)) if every else []
