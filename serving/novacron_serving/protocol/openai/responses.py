"""Types of the responses of chat and text completions."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict


class PromptTokensDetails(TypedDict):
    """Details of a prompt's tokens."""

    cached_tokens: int
    """Found in the key-value cache."""


class UsageBody(TypedDict):
    """Number of tokens of a request's prompts and completions."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class TopLogprobBody(TypedDict):
    """A likely token."""

    token: str
    logprob: float
    bytes: list[int]


class LogprobBody(TopLogprobBody):
    """A sampled token, with the likeliest tokens at its position."""

    top_logprobs: list[TopLogprobBody]


class ChatLogprobs(TypedDict):
    """A choice's log probabilities."""

    content: list[LogprobBody]
    refusal: None


class FunctionBody(TypedDict):
    """A function's name and arguments."""

    name: str
    arguments: str


class ToolCallBody(TypedDict):
    """A tool call."""

    id: str
    type: Literal["function"]
    function: FunctionBody


class ChatMessageBody(TypedDict):
    """The assistant's message."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    annotations: list[Any]
    tool_calls: NotRequired[list[ToolCallBody]]


class ChatChoiceBody(TypedDict):
    """One of `n` choices."""

    index: int
    message: ChatMessageBody
    logprobs: ChatLogprobs | None
    finish_reason: str | None


class ChatCompletion(TypedDict):
    """The response to a chat request without `stream`."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoiceBody]
    usage: UsageBody


class CompletionLogprobs(TypedDict):
    """A choice's log probabilities."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class CompletionChoiceBody(TypedDict):
    """One choice of one prompt."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: str | None


class TextCompletion(TypedDict):
    """The response to a completion request without `stream`."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoiceBody]
    usage: UsageBody


class ModelBody(TypedDict):
    """A model in the list of `/v1/models`."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    parent: NotRequired[str]
    """Base model of an adapter."""


def model_entry(model_id: str, parent: str | None = None) -> ModelBody:
    """Return an entry of `/v1/models`. `parent` is the base model of an adapter."""
    entry: ModelBody = {"id": model_id, "object": "model", "created": 0, "owned_by": "novacron"}
    if parent is not None:
        entry["parent"] = parent
    return entry
