"""What the parts of the serving stack say to each other and to clients; other packages may read `contract.json`."""

from __future__ import annotations

import json
from enum import Enum
from importlib.resources import files
from typing import Any

PREFILL = "x-novacron-prefill"
"""The coordinator asks with this header: read the prompt for another worker."""
HAND_OVER = "x-novacron-hand-over"
"""Of an answer: it is a hand-over. Of a request: so many bytes of its body are one, and the request follows."""
TELL_USAGE = "x-novacron-usage"
"""With this header a stream tells its usage in a comment, which clients pass over, before it ends."""


def contract() -> dict[str, Any]:
    """Paths, ports, metric names and process modules: the versioned contract with whoever deploys the stack."""
    return json.loads((files("novacron_serving.protocol") / "contract.json").read_text())


class WorkerRole(str, Enum):
    """What a worker does of a request."""

    BOTH = "both"
    PREFILL = "prefill"
    """It reads prompts, and hands over what it has computed."""
    DECODE = "decode"
    """It answers what was handed over to it, and whole requests too."""


class PerformanceProfile(str, Enum):
    """What a worker's settings were chosen for; a model can be loaded onto workers of one alone."""

    BALANCED = "balanced"
    QUALITY = "quality"
    MEMORY = "memory"


def adapter_model(model_id: str, adapter: str) -> str:
    """The name by which a request asks for an adapter."""
    return f"{model_id}:{adapter}"
