"""Errors of a plan."""

from __future__ import annotations

from collections.abc import Sequence

from novacron_infra.errors import ConfigurationError, NovaCronError


class PlanError(ConfigurationError):
    """A valid configuration of an environment that cannot be built. `problems` has every reason with its arithmetic."""


class DoesNotFitError(NovaCronError):
    """A model and its KV cache that do not fit into GPU memory. The message includes `arithmetic`."""

    def __init__(self, subject: str, arithmetic: Sequence[str]) -> None:
        self.arithmetic = tuple(arithmetic)
        super().__init__("\n".join([f"{subject} does not fit", *(f"  {line}" for line in arithmetic)]))
