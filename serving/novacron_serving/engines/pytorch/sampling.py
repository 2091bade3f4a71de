"""Chooses the next token of a choice from the model's logits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from novacron_serving.engines import Sampling
from novacron_serving.engines.pytorch.guides import ENDING_TOKENS, Matcher

if TYPE_CHECKING:
    import torch

GREEDY_BELOW = 1e-5
"""Lower temperatures are greedy, because dividing by them overflows."""


class Sampler:
    """Samples the tokens of one choice, and counts them for penalties and limits."""

    def __init__(
        self,
        sampling: Sampling,
        prompt: list[int],
        vocabulary_tokens: int,
        device: torch.device | str,
        matcher: Matcher | None = None,
        index: int = 0,
        max_tokens: int = 2**31,
        not_before: tuple[int, Iterable[int]] = (0, ()),
    ) -> None:
        """Make a sampler.

        Args:
            sampling: the request's parameters.
            prompt: its tokens.
            vocabulary_tokens: number of logits.
            device: of the logits.
            matcher: guided decoding, if requested.
            index: which of the request's choices. Each has its own seed.
            max_tokens: limit of the choice.
            not_before: minimum number of tokens, and the end tokens that are not sampled before it is reached.
        """
        import torch

        self._sampling = sampling
        self._left = max_tokens
        self._min_left, held_back = not_before
        self._held_back = torch.tensor(list(held_back), device=device, dtype=torch.long)
        self._ending = min(ENDING_TOKENS, max_tokens // 2)
        self._matcher = matcher
        self._greedy = sampling.temperature < GREEDY_BELOW
        self._generator = torch.Generator(device=device)
        if sampling.seed is not None:
            self._generator.manual_seed((sampling.seed + index) % 2**63)
        else:
            self._generator.seed()
        self._counts: torch.Tensor | None = None
        if sampling.presence_penalty or sampling.frequency_penalty:
            self._counts = torch.zeros(vocabulary_tokens, device=device)
        self._seen: torch.Tensor | None = None
        if sampling.repetition_penalty != 1:
            self._seen = torch.zeros(vocabulary_tokens, dtype=torch.bool, device=device)
            self._seen[torch.tensor(prompt, device=device)] = True
        self._bias: torch.Tensor | None = None
        if sampling.logit_bias:
            self._bias = torch.zeros(vocabulary_tokens, device=device)
            for token, bias in sampling.logit_bias.items():
                self._bias[token] = bias

    @property
    def is_plain_greedy(self) -> bool:
        """Whether the next token is the one with the largest unchanged logit."""
        plain = all(x is None for x in (self._matcher, self._counts, self._seen, self._bias))
        return self._greedy and plain and self._min_left <= 0

    def sample(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the id of the next token, as a tensor."""
        import torch

        sampling = self._sampling
        logits = logits.float()
        if self._bias is not None:
            logits = logits + self._bias
        if self._seen is not None:
            penalty = sampling.repetition_penalty
            logits = torch.where(self._seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)
        if self._counts is not None:
            logits = logits - sampling.frequency_penalty * self._counts - sampling.presence_penalty * (self._counts > 0)
        if self._min_left > 0:
            logits = logits.index_fill(0, self._held_back, -torch.inf)
        if self._matcher is not None:
            logits = logits.masked_fill(
                ~self._matcher.allowed(ending=self._left <= self._ending).to(logits.device), -torch.inf
            )
        if self._greedy:
            return logits.argmax()
        return self._draw(logits / sampling.temperature)

    def _draw(self, logits: torch.Tensor) -> torch.Tensor:
        import torch

        sampling = self._sampling
        if sampling.top_k is not None and sampling.top_k < logits.numel():
            kept, order = logits.topk(sampling.top_k)
            logits = torch.full_like(logits, -torch.inf).scatter(0, order, kept)
        probabilities = torch.softmax(logits, dim=-1)
        if sampling.top_p < 1:
            ranked, order = probabilities.sort(descending=True)
            ranked[ranked.cumsum(-1) - ranked > sampling.top_p] = 0
            probabilities = torch.zeros_like(probabilities).scatter(0, order, ranked)
        if sampling.min_p > 0:
            probabilities = probabilities.where(probabilities >= sampling.min_p * probabilities.max(), 0)
        return torch.multinomial(probabilities, 1, generator=self._generator)[0]

    def record(self, token: int) -> bool:
        """Record the sampled token. Return True if the guide allows no token after it."""
        self._left -= 1
        self._min_left -= 1
        if self._counts is not None:
            self._counts[token] += 1
        if self._seen is not None:
            self._seen[token] = True
        return self._matcher is not None and self._matcher.advance(token)
