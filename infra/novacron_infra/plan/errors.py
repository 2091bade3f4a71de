"""What a plan refuses, with its arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

from novacron_infra.errors import NovaCronError


class PlanError(NovaCronError):
    """The environment cannot be built as described."""


class DoesNotFitError(PlanError):
    """A model and its KV cache do not fit. `arithmetic` and `alternatives` are also in the message."""

    def __init__(self, subject: str, arithmetic: Sequence[str], alternatives: Sequence[str]) -> None:
        self.arithmetic = tuple(arithmetic)
        self.alternatives = tuple(alternatives)
        offers = [f"  fits: {line}" for line in alternatives] or ["  no smaller format or larger pool known fits"]
        super().__init__("\n".join([f"{subject} does not fit", *(f"  {line}" for line in arithmetic), *offers]))
