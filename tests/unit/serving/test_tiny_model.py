"""The shipped model's folder is complete, small and consistent. Read without PyTorch."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from math import prod
from typing import Any

import jinja2
import pytest
from tokenizers import Tokenizer

from tests.tiny_model import TINY

FILES = {
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "training.json",
}
LIMIT_BYTES = 10_000_000


def read(name: str) -> dict[str, Any]:
    return json.loads((TINY / name).read_text())


def tensors() -> dict[str, dict[str, Any]]:
    """Return dtypes and shapes by name, from the header of the weights."""
    with (TINY / "model.safetensors").open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header


def chat(*messages: tuple[str, str], prompt: bool = True) -> str:
    template = jinja2.Environment(autoescape=False).from_string((TINY / "chat_template.jinja").read_text())  # noqa: S701 - text, not HTML
    return template.render(
        messages=[{"role": role, "content": content} for role, content in messages], add_generation_prompt=prompt
    )


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(TINY / "tokenizer.json"))


def test_the_models_folder_is_complete_and_small() -> None:
    files = {path.name: path.stat().st_size for path in TINY.iterdir()}
    files.pop("quality.json", None)  # of `novacron quality`; git ignores it
    assert set(files) == FILES | {"MODEL_CARD.md"}
    assert sum(files.values()) <= LIMIT_BYTES


def test_the_model_card_lists_the_digests_of_the_files() -> None:
    listed = dict(re.findall(r"\| `([\w.]+)` \| [\d,]+ \| `([0-9a-f]{64})` \|", (TINY / "MODEL_CARD.md").read_text()))
    assert listed == {name: hashlib.sha256((TINY / name).read_bytes()).hexdigest() for name in FILES}


def test_the_weights_match_the_configuration() -> None:
    config, found = read("config.json"), tensors()
    hidden, head = config["hidden_size"], config["head_dim"]
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert {tensor["dtype"] for tensor in found.values()} == {"F16"}
    assert found["model.embed_tokens.weight"]["shape"] == [config["vocab_size"], hidden]
    assert len({name.split(".")[2] for name in found if ".layers." in name}) == config["num_hidden_layers"]
    for layer in range(config["num_hidden_layers"]):
        attention = f"model.layers.{layer}.self_attn"
        assert found[f"{attention}.q_proj.weight"]["shape"] == [config["num_attention_heads"] * head, hidden]
        assert found[f"{attention}.k_proj.weight"]["shape"] == [config["num_key_value_heads"] * head, hidden]
        assert found[f"model.layers.{layer}.mlp.gate_proj.weight"]["shape"] == [config["intermediate_size"], hidden]


def test_the_training_record_has_the_models_size_and_a_falling_loss() -> None:
    record = read("training.json")
    losses = [point["validation_loss"] for point in record["loss"]]
    assert record["parameters"] == sum(prod(tensor["shape"]) for tensor in tensors().values())
    assert record["steps"] == record["loss"][-1]["step"]
    assert losses[-1] == min(losses)
    assert losses[-1] < losses[0] / 1.5


def test_the_configuration_matches_the_tokenizer(tokenizer: Tokenizer) -> None:
    config, generation, settings = read("config.json"), read("generation_config.json"), read("tokenizer_config.json")
    assert tokenizer.get_vocab_size() == config["vocab_size"]
    assert tokenizer.token_to_id(settings["eos_token"]) == config["eos_token_id"] == generation["eos_token_id"]
    assert tokenizer.token_to_id(settings["pad_token"]) == config["pad_token_id"] == generation["pad_token_id"]
    assert settings["model_max_length"] == config["max_position_embeddings"]


def test_the_chat_template_marks_roles_and_ends_of_turns() -> None:
    conversation = chat(("system", "Be brief."), ("user", "Hello"), ("assistant", "Hi!"), ("user", "Bye"))
    assert conversation == (
        "<|system|>\nBe brief.<|end|>\n<|user|>\nHello<|end|>\n<|assistant|>\nHi!<|end|>\n"
        "<|user|>\nBye<|end|>\n<|assistant|>\n"
    )
    assert not chat(("user", "Hello"), prompt=False).endswith("<|assistant|>\n")


def test_each_role_and_the_end_of_a_turn_is_one_token(tokenizer: Tokenizer) -> None:
    pieces = tokenizer.encode(chat(("system", "a"), ("user", "b"))).tokens
    assert [piece for piece in pieces if piece.startswith("<|")] == [
        "<|system|>",
        "<|end|>",
        "<|user|>",
        "<|end|>",
        "<|assistant|>",
    ]


@pytest.mark.parametrize("text", ["What is a GPU?", "Grüße, 你好 🙂", "tab\tand\nnewline", "\x00\x7f", ""])
def test_every_text_survives_the_tokenizer(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
