"""The interface between a worker and its inference engine. PyTorch and TensorRT-LLM implement it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Protocol

from novacron_serving.protocol.openai import Message

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """A conversation. The model's chat template turns it into tokens."""

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    """Functions that the model may call, as OpenAI's API describes them."""
    template_arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further arguments of the chat template, such as `reasoning_effort`."""


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """Plain text, or its tokens. No chat template is applied."""

    text: str = ""
    tokens: tuple[int, ...] = ()
    """Used instead of the text unless empty."""


class GuideKind(str, Enum):
    """The kind of structure that guided decoding enforces."""

    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"
    REGEX = "regex"
    STRUCTURAL_TAG = "structural_tag"
    """Free text. After a trigger it must continue with one of the structures, in xgrammar's format."""


@dataclass(frozen=True, slots=True)
class Guide:
    """Guided decoding: only tokens that keep the text valid are sampled."""

    kind: GuideKind
    value: str = ""
    """The JSON schema, the structural tag as JSON, or the regular expression."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters. The defaults change nothing; temperature 0 is greedy decoding."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int | None = None
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: Mapping[int, float] = field(default_factory=dict[int, float])
    """Added to the logits, by token id."""
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KvTransfer:
    """The result of a prefill. With it, a decode engine fetches the key-value cache and continues the request."""

    prompt: tuple[int, ...]
    """The prompt's tokens."""
    first_tokens: tuple[int, ...]
    """The first tokens of the completion, which the prefill engine sampled."""
    context_request_id: int
    """The prefill engine's id of the request."""
    opaque_state: bytes | None
    """Where the cache is, in the engines' own format."""
    draft_tokens: tuple[int, ...] | None = None
    cached_tokens: int = 0
    """Prompt tokens that the prefill engine found in its cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One prompt, and how to complete it."""

    request_id: str
    prompt: ChatPrompt | TextPrompt
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    """None: up to the end of the context."""
    min_tokens: int = 0
    """The end token is not sampled before. A stop text still ends the completion."""
    ignore_eos: bool = False
    """Continue after the end token, which counts as a token without text."""
    stops: tuple[str, ...] = ()
    """Texts that end the completion. They are not part of it."""
    n: int = 1
    """Number of choices, sampled independently."""
    logprobs: int | None = None
    """Return log probabilities of the sampled tokens, and of this many of the likeliest tokens. None: return none."""
    guide: Guide | None = None
    adapter: str | None = None
    """Name of the LoRA adapter. None: the base model."""
    prefill_only: bool = False
    """Compute the prompt for another engine, which generates the completion.

    The only delta is then the KV transfer, unless the completion ends with its first token.
    """
    kv_transfer: KvTransfer | None = None
    """The result of another engine's prefill, to continue from."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token with its log probability."""

    token: str
    logprob: float
    bytes: bytes
    """May be part of a character."""
    top: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """New output of one choice. The last delta of each choice has a `finish_reason`."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    """Tokens of this choice so far."""
    finish_reason: FinishReason | None = None
    index: int = 0
    """Which of the `n` choices."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Log probabilities of the new tokens, in order. Empty unless requested."""
    cached_tokens: int = 0
    """Prompt tokens found in the engine's key-value cache."""
    kv_transfer: KvTransfer | None = None
    """The result of a prefill. This is then the only delta."""


@dataclass(frozen=True, slots=True)
class EngineStats:
    """The load of an engine."""

    running_requests: int
    waiting_requests: int
    kv_cache_utilization: float
    """Share in use, 0 to 1."""
    kv_cache_capacity_tokens: int = 0
    """0: unknown."""
    kv_cache_block_tokens: int = 0
    """Tokens in a block of the cache. 0: unknown, or the cache has no blocks."""


class Engine(Protocol):
    """An inference engine with one model."""

    max_context_tokens: int
    max_concurrent_requests: int

    async def load(self) -> None:
        """Load the model. Raises `StartError` when that fails."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """Generate completions. The deltas of different choices are interleaved. Closing the iterator aborts.

        Raises:
            RequestError: the request is too long, or asks for something that the engine cannot do.
        """
        ...

    def abort(self, request_id: str) -> None:
        """Stop generating. Does nothing for a request that has finished."""
        ...

    def stats(self) -> EngineStats:
        """Return the current load."""
        ...

    def healthy(self) -> bool:
        """Return False once the engine hangs or has died. The process should then be restarted."""
        ...

    async def unload(self) -> None:
        """Unload the model and free its memory."""
        ...
