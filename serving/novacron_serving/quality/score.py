"""Computes a quantised model's score and its interval from its agreement with the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z_95 = 1.959964
"""95% of a normal distribution are within this many standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Both models' predictions for one response of the text, summed over its tokens."""

    tokens: int
    agreed: int
    """Number of tokens at which both models predict the same token."""
    surprise_nats: float
    """Negative log-likelihood of the text for the quantised model."""
    reference_surprise_nats: float
    divergence_nats: float
    """Kullback-Leibler divergence of the quantised model from the reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The result over all responses."""

    tokens: int
    score: float
    """Share of tokens at which both models predict the same token, 0 to 1."""
    score_low: float
    """Lower end of the 95% interval."""
    score_high: float
    perplexity: float
    reference_perplexity: float
    mean_divergence_nats: float

    @property
    def perplexity_ratio(self) -> float:
        """Above 1: the text is less likely for the quantised model than for the reference."""
        return self.perplexity / self.reference_perplexity


def compute_score(comparisons: Sequence[Comparison]) -> Score:
    """Compute the score of all responses. Raises `ValueError` if they have no token."""
    tokens = sum(item.tokens for item in comparisons)
    if not tokens:
        raise ValueError("there are no tokens to compare")
    agreed = sum(item.agreed for item in comparisons)
    low, high = _interval(comparisons, agreed / tokens, tokens)
    return Score(
        tokens=tokens,
        score=agreed / tokens,
        score_low=low,
        score_high=high,
        perplexity=_perplexity(sum(item.surprise_nats for item in comparisons) / tokens),
        reference_perplexity=_perplexity(sum(item.reference_surprise_nats for item in comparisons) / tokens),
        mean_divergence_nats=sum(item.divergence_nats for item in comparisons) / tokens,
    )


def _perplexity(nats: float) -> float:
    return math.exp(min(nats, 700))  # avoids an overflow


def _interval(comparisons: Sequence[Comparison], share: float, tokens: int) -> tuple[float, float]:
    """Return Wilson's 95% interval, which is valid at 0 and 1 too, for the effective number of independent tokens.

    Tokens of the same response are correlated. The variance between responses shows by how much: it gives the design
    effect of sampling whole responses, which reduces the effective number of tokens.
    """
    independent = float(tokens)
    count = len(comparisons)
    if 0 < share < 1 and count > 1:
        spread = sum((item.agreed - share * item.tokens) ** 2 for item in comparisons) * count / (count - 1) / tokens**2
        independent /= max(1.0, spread / (share * (1 - share) / tokens))
    squared = Z_95**2 / independent
    middle = (share + squared / 2) / (1 + squared)
    half = Z_95 / (1 + squared) * math.sqrt(share * (1 - share) / independent + squared / (4 * independent))
    return max(0.0, middle - half), min(1.0, middle + half)
