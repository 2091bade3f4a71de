"""What a plan refuses."""

from __future__ import annotations

from collections.abc import Sequence

from novacron_infra.errors import ConfigurationError, NovaCronError


class PlanError(ConfigurationError):
    """An environment that is described well but cannot be built; `problems` has every reason, with its arithmetic."""


class DoesNotFitError(NovaCronError):
    """A model and its KV cache do not fit; `arithmetic` is also in the message."""

    def __init__(self, subject: str, arithmetic: Sequence[str]) -> None:
        self.arithmetic = tuple(arithmetic)
        super().__init__("\n".join([f"{subject} does not fit", *(f"  {line}" for line in arithmetic)]))
