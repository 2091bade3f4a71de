"""The protocol between coordinators, workers and clients. `contract.json` is its part for other packages."""

from __future__ import annotations

import json
from enum import Enum
from importlib.resources import files
from typing import Any

PREFILL_HEADER = "x-novacron-prefill"
"""Request header of the coordinator: compute the prompt for a decode worker."""
KV_TRANSFER_HEADER = "x-novacron-kv-transfer"
"""Marks a KV transfer.

In a prefill worker's response, the body is a KV transfer. In a request to a decode worker, the value is the size of a
KV transfer in bytes at the start of the body; the client's request follows.
"""
USAGE_HEADER = "x-novacron-usage"
"""Request header of the coordinator: report the token usage of a stream in a comment before its end."""


def contract() -> dict[str, Any]:
    """Return the paths, ports, metric names and process modules that deployments of the stack rely on."""
    return json.loads((files("novacron_serving.protocol") / "contract.json").read_text())


class WorkerRole(str, Enum):
    """Which part of a request a worker handles."""

    BOTH = "both"
    PREFILL = "prefill"
    """Computes prompts, for decode workers to continue from."""
    DECODE = "decode"
    """Generates completions from a prefill worker's result. It handles whole requests as well."""


class PerformanceProfile(str, Enum):
    """The goal that a worker's settings are optimised for. A model can be loaded onto workers of one profile."""

    BALANCED = "balanced"
    QUALITY = "quality"
    MEMORY = "memory"


def adapter_model(model_id: str, adapter: str) -> str:
    """Return the model name that selects a LoRA adapter."""
    return f"{model_id}:{adapter}"
