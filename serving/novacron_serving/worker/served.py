"""The model that a worker serves at the moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from novacron_serving.engines import Engine
from novacron_serving.worker.tool_calls import ToolFormat


@dataclass(slots=True, kw_only=True)
class ServedModel:
    """State that the loader changes, and that the HTTP API and the registration read."""

    model_id: str
    engine: Engine
    digest: str = ""
    """SHA-256 from the model's manifest. Empty: the model does not come from a store."""
    adapters: dict[str, str] = field(default_factory=dict[str, str])
    """Digests of the LoRA adapters by name. They are served as `model:adapter`."""
    tool_format: ToolFormat | None = None
    """How the model writes tool calls, from its chat template."""
    ready: bool = False
    """Whether the engine has loaded the model."""
