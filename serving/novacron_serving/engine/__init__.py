"""Inference engines behind one small interface: PyTorch here; TensorRT-LLM fits the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from novacron_serving.protocol.openai import Message


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One answer to generate."""

    request_id: str
    messages: tuple[Message, ...]
    max_tokens: int | None
    temperature: float
    top_p: float
    top_k: int | None
    seed: int | None
    stops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """What one step of generation added. The last one carries `finish_reason`."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: Literal["stop", "length"] | None = None


@dataclass(frozen=True, slots=True)
class EngineStats:
    """How loaded an engine is."""

    running_requests: int
    waiting_requests: int
    kv_cache_utilization: float
    """Share in use, 0 to 1."""


class Engine(Protocol):
    """What a worker asks of its engine."""

    max_context_tokens: int
    max_concurrent_requests: int

    async def load(self) -> None:
        """Make the model ready. Raises `StartError` when it cannot be."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """The answer, piece by piece. Raises `RequestError` for a request that cannot be served."""
        ...

    def abort(self, request_id: str) -> None:
        """Stop generating; does nothing for a request that is over."""
        ...

    def stats(self) -> EngineStats:
        """The present load."""
        ...

    def healthy(self) -> bool:
        """False once the engine hangs or has died."""
        ...

    async def unload(self) -> None:
        """Give the memory back."""
        ...
