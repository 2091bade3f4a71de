"""Requests of OpenAI's chat API, as far as the stack serves them.

A field that would change the answer is honoured or refused, never dropped in silence; `docs/chat-api.md` has the list.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from novacron_serving.errors import RequestError, invalid

IGNORED = frozenset(
    {
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
    }
)
"""Accepted, and without effect here: none of them says what to answer."""

NEUTRAL: dict[str, tuple[object, ...]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "moderation": (),
    "n": (1,),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": ("none",),
    "response_format": ({"type": "text"},),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
    "web_search_options": (),
}
"""OpenAI's fields that are not supported, with the values that ask for nothing: only these are accepted."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, data: Any) -> Any:
        """Clients send a null for what they do not say, and send an answer's message back with its nulls."""
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


class TextPart(_Strict):
    """One part of a message's content."""

    type: Literal["text"]
    text: str


class Message(_Strict):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: str | None = None
    """Accepted, and not shown to the model."""

    @property
    def text(self) -> str:
        """The content as one text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(_Strict):
    """How a stream is told."""

    include_usage: bool = False
    include_obfuscation: bool = False
    """Accepted, and without effect."""


class ChatRequest(_Strict):
    """`POST /v1/chat/completions`."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Not OpenAI's, but known from other servers: sample from the so many likeliest tokens."""
    seed: int | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts at which the answer ends."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)


def parse_chat(body: Any) -> ChatRequest:
    """The request of a JSON body. Raises `RequestError` (400) that names the field and the rule."""
    if isinstance(body, dict):
        body = _without_neutral_fields(cast("dict[str, Any]", body))
    try:
        return ChatRequest.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            message = f"{path}: there is no such field here; leave it out"
            raise invalid(message, param=path, code="unknown_parameter") from error
        raise invalid(f"{path}: {first['msg']}" if path else first["msg"], param=path or None) from error


def _without_neutral_fields(body: dict[str, Any]) -> dict[str, Any]:
    for field, neutral in NEUTRAL.items():
        value = body.get(field)
        if value is not None and value not in neutral:
            rule = f"only {_listed(neutral)} is supported here" if neutral else "this is not supported here"
            code = "unsupported_value" if neutral else "unsupported_parameter"
            raise invalid(f"{field}: {rule}; leave it out", param=field, code=code)
    return {key: value for key, value in body.items() if key not in IGNORED and key not in NEUTRAL}


def _listed(values: tuple[object, ...]) -> str:
    return " or ".join(json.dumps(value) for value in values)


def unknown_model(model: str, known: list[str]) -> RequestError:
    """404, as OpenAI answers."""
    served = ", ".join(known) or "none"
    return RequestError(
        404,
        f"model {model!r} is not served here; served: {served}",
        kind="invalid_request_error",
        param="model",
        code="model_not_found",
    )
