"""Shared by all requests: strict validation, and errors that name the field and the rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from novacron_serving.errors import RequestError, invalid

Request = TypeVar("Request", bound=BaseModel)


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


class StreamOptions(Strict):
    """Options of a streamed response."""

    include_usage: bool = False
    include_obfuscation: bool = False
    """Accepted without effect."""


class SampledRequest(Strict):
    """Fields of both chat and text completion requests."""

    model: str
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
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
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Sample from this many of the likeliest tokens. Not in OpenAI's API, but in that of other servers."""
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
        raise _error(error) from error


def _error(error: ValidationError) -> RequestError:
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return invalid(f"{path}: unknown field; leave it out", param=path, code="unknown_parameter")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":  # from our validators: the message starts with the field
        path = ".".join(filter(None, (path, message.partition(":")[0])))
        message = message.partition(": ")[2]
    return invalid(f"{path}: {message}" if path else message, param=path or None)


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
