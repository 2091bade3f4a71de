"""Reads the architecture of a Llama-like model from the config.json of its Hugging Face folder."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from novacron_infra.catalog.errors import CatalogError
from novacron_infra.catalog.types import Model
from novacron_infra.user_files import UserFileError, parse_json, read_text


def read_model_folder(folder: Path) -> Model:
    """Return the model in a Hugging Face folder.

    Raises:
        CatalogError: config.json is missing or does not describe a Llama-like model.
    """
    path = folder / "config.json"
    try:
        config: dict[str, Any] = parse_json(read_text(path), str(path))
        hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        figures: dict[str, int | bool] = {
            "layers": int(config["num_hidden_layers"]),
            "hidden": hidden,
            "intermediate": int(config["intermediate_size"]),
            "attention_heads": heads,
            "kv_heads": int(config.get("num_key_value_heads") or heads),
            "head_dim": int(config.get("head_dim") or hidden // heads),
            "vocabulary": int(config["vocab_size"]),
            "tied_embeddings": bool(config.get("tie_word_embeddings", False)),
            "max_context_tokens": int(config["max_position_embeddings"]),
        }
    except (UserFileError, ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError) as error:
        raise CatalogError(
            f"model folder {folder}: {path.name} does not describe a Llama-like model ({error!r}). "
            "Use a Hugging Face folder with config.json, a tokenizer and safetensors"
        ) from error
    draft = Model(
        name=folder.name,
        parameters=1,
        source=str(path),
        as_of=dt.datetime.fromtimestamp(path.stat().st_mtime, dt.timezone.utc).date(),
        **figures,  # pyright: ignore[reportArgumentType] - the type of each figure is checked by the model
    )
    return draft.model_copy(update={"parameters": draft.computed_parameters})
