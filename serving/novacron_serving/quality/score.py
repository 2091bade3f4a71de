"""The score of a quantised model and how certain it is, from how often it agrees with its reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z_95 = 1.959964
"""95% of a normal distribution lie within so many standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One answer of the text: what both models say about each of its tokens, summed up."""

    tokens: int
    agreed: int
    """Tokens before which both models hold the same one for the most likely."""
    surprise_nats: float
    """Of the quantised model at the text's own tokens: negative log-likelihood."""
    reference_surprise_nats: float
    divergence_nats: float
    """Kullback-Leibler, from the reference's distributions to the quantised model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What all answers come to."""

    tokens: int
    score: float
    """Share of the tokens at which both models would choose the same: 0 to 1."""
    score_low: float
    """Of the 95% interval."""
    score_high: float
    perplexity: float
    reference_perplexity: float
    mean_divergence_nats: float

    @property
    def perplexity_ratio(self) -> float:
        """Above 1: the text surprises the quantised model more than its reference."""
        return self.perplexity / self.reference_perplexity


def score(comparisons: Sequence[Comparison]) -> Score:
    """Add the answers up. Raises `ValueError` when there is no token in them."""
    tokens = sum(item.tokens for item in comparisons)
    if not tokens:
        raise ValueError("there is no token to compare")
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
    return math.exp(min(nats, 700))  # beyond, a float has no room


def _interval(comparisons: Sequence[Comparison], share: float, tokens: int) -> tuple[float, float]:
    """Wilson's interval, which is honest at 0 and 1 too, for as many tokens as would be independent.

    The tokens of an answer are alike. How much so is in the spread of the answers: the design effect of sampling whole
    answers, by which the tokens count less.
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
