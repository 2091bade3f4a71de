"""Sequences of a batch have the same logits as alone, for several kinds of attention."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from .samples import needs_pytorch

pytestmark = needs_pytorch

SMALL: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512,
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "llama": SMALL,
    "mistral": SMALL | {"sliding_window": 9},
    "qwen3": SMALL,
    "gemma3_text": SMALL | {"sliding_window": 9, "layer_types": ["sliding_attention", "full_attention"]},
    "gpt2": {"vocab_size": 50, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512},
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Iterator[Any]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    torch.set_num_threads(1)  # such small models only lose by more
    config = AutoConfig.for_model(request.param, **MODELS[request.param])
    with torch.inference_mode():
        yield AutoModelForCausalLM.from_config(config).float().eval()


def test_each_slot_has_the_same_logits_as_a_single_sequence(model: Any) -> None:
    import torch
    from novacron_serving.engines.pytorch.kv_cache import SPARE_COLUMNS, SlotCache
    from transformers import DynamicCache

    picks = random.Random(1)  # noqa: S311
    rows, said = SlotCache(max_slots=6), list[list[int]]()

    def token() -> int:
        return picks.randrange(50)

    def join(length: int, count: int) -> None:
        prompt, cache = [token() for _ in range(length)], DynamicCache()
        model(input_ids=torch.tensor([prompt]), past_key_values=cache, use_cache=True)
        rows.join(cache, count)
        said.extend(list(prompt) for _ in range(count))

    def leave(row: int) -> None:
        rows.leave(row)
        said[row] = said[-1]
        said.pop()

    join(5, 1)
    for step in range(40):
        if step in (3, 6, 30):
            join(picks.randrange(1, 60), picks.randrange(1, 3))
        if step in (12, 20, 35):
            leave(picks.randrange(len(said)))
        tokens = [token() for _ in said]
        logits = rows.step(model, tokens)
        for row, new in enumerate(tokens):
            said[row].append(new)
        if step % 6 == 0:
            for row, whole in enumerate(said):
                expected = model(input_ids=torch.tensor([whole]), use_cache=False).logits[0, -1]
                torch.testing.assert_close(logits[row], expected, atol=1e-4, rtol=1e-3)
    assert rows.lengths == [len(whole) for whole in said]
    while said:
        leave(0)
    join(SPARE_COLUMNS * 2, 1)
    assert rows.lengths == [SPARE_COLUMNS * 2]


def test_the_prefix_cache_finds_the_longest_common_prefix(model: Any) -> None:
    import torch
    from novacron_serving.engines.pytorch.prefix_cache import PrefixCache

    prefixes = PrefixCache(capacity_tokens=40)

    def compute(prompt: list[int]) -> tuple[Any, int]:
        cache, found = prefixes.find(prompt)
        output = model(input_ids=torch.tensor([prompt[found:]]), past_key_values=cache, use_cache=True)
        prefixes.put(prompt, cache)
        alone = model(input_ids=torch.tensor([prompt]), use_cache=False).logits[0, -1]
        torch.testing.assert_close(output.logits[0, -1], alone, atol=1e-4, rtol=1e-3)
        return cache, found

    first = list(range(12))
    assert [compute(prompt)[1] for prompt in (first, first, [*first, 20, 21], [*first[:7], 30])] == [0, 11, 12, 7]
    assert compute([40, 41])[1] == 0
    assert len(prefixes._prompts) == 3  # the first is the third's beginning
    assert compute(list(range(49, 19, -1)))[1] == 0  # 30 tokens: others have to go
    assert prefixes._tokens <= 40
    assert compute([*first, 22])[1] < 12
    assert compute(list(range(45)))[1] <= 12  # too long to be kept
    assert prefixes.find([7])[1] == 0
