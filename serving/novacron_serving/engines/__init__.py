"""Inference engines behind one small interface: PyTorch and TensorRT-LLM fit it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Protocol

from novacron_serving.protocol.openai import Message

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """A conversation; the model's chat template turns it into tokens."""

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    """Functions that the model is told of, as OpenAI's API describes them."""


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """Text as it is, or its tokens: no template."""

    text: str = ""
    tokens: tuple[int, ...] = ()
    """Taken instead of the text when there are any."""


class GuideKind(str, Enum):
    """What an answer is held to while it is sampled."""

    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"
    REGEX = "regex"
    STRUCTURAL_TAG = "structural_tag"
    """Free text, in which what begins with a trigger goes on as one of the structures, as xgrammar describes them."""


@dataclass(frozen=True, slots=True)
class Guide:
    """Only tokens that can still become such an answer are sampled."""

    kind: GuideKind
    value: str = ""
    """The schema or the structures as JSON text, or the expression."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. The defaults change nothing; a temperature of 0 takes the likeliest token."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int | None = None
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: Mapping[int, float] = field(default_factory=dict[int, float])
    """Added to a token's logit, by token id."""
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """What the engine that read a prompt tells the one that answers it; the latter fetches the cache by it."""

    prompt: tuple[int, ...]
    """Its tokens, as they were read."""
    first_tokens: tuple[int, ...]
    """Of the answer; they were sampled where the prompt was read."""
    context_request_id: int
    """The first engine's own number."""
    opaque_state: bytes | None
    """Where the cache lies; the engines' own words."""
    draft_tokens: tuple[int, ...] | None = None
    cached_tokens: int = 0
    """Of the prompt, found in the first engine's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One prompt, and the answers to generate for it."""

    request_id: str
    prompt: ChatPrompt | TextPrompt
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    """None: what the context has room for."""
    min_tokens: int = 0
    """The model does not end the answer before; a stop text does."""
    ignore_eos: bool = False
    """The token that ends an answer counts as one without text."""
    stops: tuple[str, ...] = ()
    """Texts that end the answer and are not part of it."""
    n: int = 1
    """Answers, each sampled by itself."""
    logprobs: int | None = None
    """Log probabilities of the tokens sampled, and of so many likeliest ones beside each; None: not asked for."""
    guide: Guide | None = None
    adapter: str | None = None
    """LoRA adapter by its name; None: the model as it is."""
    hands_over: bool = False
    """Read the prompt for another engine, which answers; an answer that ends at once is given all the same."""
    handed_over: HandOver | None = None
    """The prompt was read by another engine."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token and how likely it was."""

    token: str
    logprob: float
    bytes: bytes
    """Part of a character, perhaps."""
    top: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """What was added to one answer. The last delta of each answer carries `finish_reason`."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    """Of this answer, so far."""
    finish_reason: FinishReason | None = None
    index: int = 0
    """Which of the `n` answers."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of the tokens that this delta adds, in order; empty when not asked for."""
    cached_tokens: int = 0
    """Of the prompt, found in the engine's key-value cache."""
    hand_over: HandOver | None = None
    """In place of an answer; the only delta then."""


@dataclass(frozen=True, slots=True)
class EngineStats:
    """How loaded an engine is."""

    running_requests: int
    waiting_requests: int
    kv_cache_utilization: float
    """Share in use, 0 to 1."""
    kv_cache_capacity_tokens: int = 0
    """What the cache holds at most; 0: the engine does not say."""
    kv_cache_block_tokens: int = 0
    """Tokens in a block of the cache; 0: it has none, or the engine does not say."""


class Engine(Protocol):
    """What a worker asks of its engine."""

    max_context_tokens: int
    max_concurrent_requests: int

    async def load(self) -> None:
        """Make the model ready. Raises `StartError` when it cannot be."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """The answers, piece by piece, those of different `index` mixed. Closing the iterator aborts.

        Raises:
            RequestError: for a request that cannot be served: too long, or asking for what the engine cannot do.
        """
        ...

    def abort(self, request_id: str) -> None:
        """Stop generating; does nothing for a request that is over."""
        ...

    def stats(self) -> EngineStats:
        """The present load."""
        ...

    def healthy(self) -> bool:
        """False once the engine hangs or has died: the process should be restarted."""
        ...

    async def unload(self) -> None:
        """Give the memory back."""
        ...
