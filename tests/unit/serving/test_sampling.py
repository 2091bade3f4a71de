"""Sampling: which tokens may be chosen, and how penalties count."""

from __future__ import annotations

from typing import Any

import pytest
from novacron_serving.engines import Sampling

from .samples import needs_pytorch

pytestmark = needs_pytorch


def sampled(logits: list[float], **options: Any) -> set[int]:
    import torch
    from novacron_serving.engines.pytorch.sampling import Sampler

    sampler = Sampler(Sampling(seed=0, **options), [3], len(logits), "cpu")
    return {int(sampler.sample(torch.tensor(logits))) for _ in range(300)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {0, 1, 2, 3}),
        ({"top_k": 1}, {1}),
        ({"top_k": 2}, {1, 3}),
        ({"top_k": 99}, {0, 1, 2, 3}),
        ({"top_p": 0.5}, {1}),
        ({"top_p": 0.7}, {1, 3}),
        ({"top_k": 3, "top_p": 0.7}, {1, 3}),
        ({"temperature": 0}, {1}),
        ({"temperature": 1e-300}, {1}),
        ({"min_p": 0.5}, {1, 3}),
        ({"min_p": 1}, {1}),
        ({"logit_bias": {1: -100, 3: -100}}, {0, 2}),
        ({"logit_bias": {0: 100}}, {0}),
        ({"repetition_penalty": 2.0, "temperature": 0, "logit_bias": {3: 1.5}}, {1}),
    ],
    ids=str,
)
def test_sampling_parameters_restrict_the_tokens(options: dict[str, Any], expected: set[int]) -> None:
    assert sampled([0.0, 2.0, 0.5, 1.5], **options) == expected


def test_penalties_count_the_tokens_of_the_completion() -> None:
    import torch
    from novacron_serving.engines.pytorch.sampling import Sampler

    sampler = Sampler(Sampling(temperature=0, frequency_penalty=0.5, presence_penalty=0.25), [3], 4, "cpu")
    logits, chosen = torch.tensor([0.0, 2.0, 0.0, 1.1]), list[int]()
    for _ in range(5):
        chosen.append(int(sampler.sample(logits)))
        sampler.record(chosen[-1])
    assert chosen == [1, 1, 3, 1, 3]  # after one 1: 2 - 0.5 - 0.25 = 1.25; after two: 0.75; after one 3: 0.35
