"""What chat and completions answer, in one piece. The types of what is built elsewhere, and of its schemas."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict


class PromptTokensDetails(TypedDict):
    """Of a prompt's tokens."""

    cached_tokens: int
    """Not computed again."""


class UsageBody(TypedDict):
    """Tokens of a request's prompts and answers."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class TopLogprobBody(TypedDict):
    """A token that might have been."""

    token: str
    logprob: float
    bytes: list[int]


class LogprobBody(TopLogprobBody):
    """A token of an answer."""

    top_logprobs: list[TopLogprobBody]


class ChatLogprobs(TypedDict):
    """A choice's log probabilities."""

    content: list[LogprobBody]
    refusal: None


class FunctionBody(TypedDict):
    """Which function, and with what."""

    name: str
    arguments: str


class ToolCallBody(TypedDict):
    """A call of a function."""

    id: str
    type: Literal["function"]
    function: FunctionBody


class ChatMessageBody(TypedDict):
    """What the model said."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    annotations: list[Any]
    tool_calls: NotRequired[list[ToolCallBody]]


class ChatChoiceBody(TypedDict):
    """One of `n` answers."""

    index: int
    message: ChatMessageBody
    logprobs: ChatLogprobs | None
    finish_reason: str | None


class ChatCompletion(TypedDict):
    """A chat's answer in one piece."""

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
    """One of the answers to one of the prompts."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: str | None


class TextCompletion(TypedDict):
    """A completion in one piece."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoiceBody]
    usage: UsageBody


class ModelBody(TypedDict):
    """A model as `/v1/models` lists it."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    parent: NotRequired[str]
    """The model that it is an adapter of."""


def model_entry(model_id: str, parent: str | None = None) -> ModelBody:
    """A model as `/v1/models` lists it. Args: `parent`: the model that it is an adapter of."""
    entry: ModelBody = {"id": model_id, "object": "model", "created": 0, "owned_by": "novacron"}
    if parent is not None:
        entry["parent"] = parent
    return entry
