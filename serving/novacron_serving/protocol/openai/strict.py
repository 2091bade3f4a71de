"""Shared by all requests: strict validation, and errors that name the field and the rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from novacron_serving.errors import RequestError, invalid

Request = TypeVar("Request", bound=BaseModel)
MAX_STOPS = 64
OTHER_NEUTRAL: dict[str, tuple[object, ...]] = {
    "add_special_tokens": (True,),
    "allowed_token_ids": ([],),
    "bad": ([],),
    "bad_words": ([],),
    "best_of": (1,),
    "detokenize": (True,),
    "early_stopping": (False,),
    "include_stop_str_in_output": (False,),
    "length_penalty": (1, 1.0),
    "logits_processors": ([],),
    "priority": (0,),
    "prompt_ignore_length": (0,),
    "return_token_ids": (False,),
    "return_tokens_as_token_ids": (False,),
    "skip_special_tokens": (True,),
    "spaces_between_special_tokens": (True,),
    "stop_token_ids": ([],),
    "top_p_min": (0, 0.0),
    "use_beam_search": (False,),
}
"""Fields of vLLM and trtllm-serve that are not supported, with the values that have no effect.

Clients that dump all parameters of a class send them. Only these values are accepted.
"""


class Strict(BaseModel):
    """Base of all request types: values are not converted, and unknown fields are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, data: object) -> object:
        """Drop nulls. Clients send null for fields that are not set, and send messages back with their nulls."""
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


class History(Strict):
    """Base of what clients send back: messages that servers wrote. Unknown fields are passed over.

    They say nothing about the response, and each server adds its own: `reasoning_content`, `cache_control`, `index`.
    """

    model_config = ConfigDict(extra="ignore")


class StreamOptions(Strict):
    """Options of a streamed response."""

    include_usage: bool = False
    continuous_usage_stats: bool = False
    """Report the usage so far in every chunk. Not in OpenAI's API, but in that of other servers."""
    include_obfuscation: bool = False
    """Accepted without effect."""


def _none_of_all(top_k: object) -> object:
    return None if top_k in (0, -1) and type(top_k) is int else top_k


class SampledRequest(Strict):
    """Fields of both chat and text completion requests."""

    model: str
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] = 1
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] = 0.0
    logit_bias: dict[Annotated[str, Field(pattern=r"^\d{1,9}$")], Annotated[float, Field(ge=-100, le=100)]] = Field(
        default={}, max_length=1024
    )
    """By token id, as a JSON object."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: str | Annotated[list[str], Field(max_length=MAX_STOPS)] | None = None
    top_k: Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_none_of_all)] = None
    """Sample from this many of the likeliest tokens. Not in OpenAI's API, but in that of other servers.

    0, trtllm-serve's default, and -1, vLLM's, mean all of them.
    """
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Exclude tokens that are less likely than this share of the likeliest one. Not in OpenAI's API."""
    repetition_penalty: Annotated[float, Field(ge=0.01, le=2)] = 1.0
    """Divide the logits of tokens that occur in the prompt or the completion. Not in OpenAI's API."""
    min_tokens: Annotated[int, Field(ge=0)] = 0
    """The model does not end a choice before it has this many tokens. Not in OpenAI's API."""
    ignore_eos: bool = False
    """Continue after the end token, for benchmarks. Not in OpenAI's API."""

    @property
    def completion_limit(self) -> int | None:
        """Maximum tokens of a choice. None: up to the end of the context."""
        return self.max_tokens

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end a choice."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @model_validator(mode="after")
    def _stream_options_are_a_streams(self) -> SampledRequest:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options: needs stream; set stream to true, or leave it out")
        return self

    @model_validator(mode="after")
    def _minimum_is_below_maximum(self) -> SampledRequest:
        limit = self.completion_limit
        if limit is not None and self.min_tokens > limit:
            raise ValueError(f"min_tokens: must be at most max_tokens, which is {limit}; lower it, or raise max_tokens")
        return self


def parse(
    model: type[Request], body: object, ignored: frozenset[str], neutral: Mapping[str, tuple[object, ...]]
) -> Request:
    """Parse a JSON body.

    Args:
        model: type of the request.
        body: the JSON value.
        ignored: fields that are accepted without effect.
        neutral: fields that are not supported, with the values that have no effect.

    Raises:
        RequestError: 400. It names the field and the rule.
    """
    if isinstance(body, dict):
        body = _without(cast("dict[str, Any]", body), ignored, neutral)
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise _error(error, body) from error


def _error(error: ValidationError, body: object) -> RequestError:
    found = _find_nearest(error.errors(include_url=False), body)
    path = ".".join(map(str, _find_path(found, body)))
    if found["type"] == "extra_forbidden":
        return invalid(f"{path}: unknown field; leave it out", param=path, code="unknown_parameter")
    message = found["msg"].removeprefix("Value error, ")
    if found["type"] == "value_error":  # from our validators: the message starts with the field
        path = ".".join(filter(None, (path, message.partition(":")[0])))
        message = message.partition(": ")[2]
    elif found["type"] in ("literal_error", "union_tag_invalid") and isinstance(found["input"], str):
        expected = found.get("ctx", {}).get("expected") or found.get("ctx", {}).get("expected_tags")
        message = f"{found['input'][:60]!r} is not supported; use {expected}"
    return invalid(f"{path}: {message}" if path else message, param=path or None)


def _find_nearest(errors: list[ErrorDetails], body: object) -> ErrorDetails:
    """Return the error to report: of a union, that of the alternative which the value comes nearest to.

    pydantic reports the errors of all alternatives, each under its name: `messages.0.content.str` before
    `messages.0.content.list[TextPart].0.type`.
    """
    first = _find_path(errors[0], body)
    same = [item for item in errors if _find_path(item, body)[: len(first)] == first]
    return max(same, key=lambda item: (not item["type"].endswith("_type"), len(_find_path(item, body))))


def _find_path(error: ErrorDetails, body: object) -> tuple[int | str, ...]:
    """Return the place of an error in the body, without the names of a union's alternatives."""
    path: list[int | str] = []
    value = body
    steps = error["loc"]
    for at, step in enumerate(steps):
        if isinstance(value, dict) and isinstance(step, str) and (step in value or at == len(steps) - 1):
            if step not in value and error["type"] not in ("missing", "extra_forbidden"):
                break  # the name of an alternative
            value = cast("dict[str, object]", value).get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(cast("list[object]", value)):
            value = cast("list[object]", value)[step]
        else:
            continue
        path.append(step)
    return tuple(path)


def _without(
    body: dict[str, Any], ignored: frozenset[str], neutral: Mapping[str, tuple[object, ...]]
) -> dict[str, Any]:
    for field, values in neutral.items():
        value = body.get(field)
        if value is not None and not any(value == other and type(value) is type(other) for other in values):
            rule = f"only {_listed(values)} is supported" if values else "not supported"
            code = "unsupported_value" if values else "unsupported_parameter"
            raise invalid(f"{field}: {rule}; leave it out", param=field, code=code)
    return {key: value for key, value in body.items() if key not in ignored and key not in neutral}


def _listed(values: tuple[object, ...]) -> str:
    return " or ".join(json.dumps(value) for value in values)
