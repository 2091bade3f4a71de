"""What all requests have in common: strict fields, and errors that name the field and the rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from novacron_serving.errors import RequestError, invalid

Request = TypeVar("Request", bound=BaseModel)


class Strict(BaseModel):
    """No conversions, no unknown fields."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, data: Any) -> Any:
        """Clients send a null for what they do not say, and send an answer's message back with its nulls."""
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


class StreamOptions(Strict):
    """How a stream is told."""

    include_usage: bool = False
    include_obfuscation: bool = False
    """Accepted, and without effect."""


class SampledRequest(Strict):
    """Fields that chat and completions share."""

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
    """By token id; the keys of JSON are text."""
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Not OpenAI's, but known from other servers: sample from the so many likeliest tokens."""
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Not OpenAI's either: leave out tokens that are less likely than so much of the likeliest one."""
    repetition_penalty: Annotated[float, Field(ge=0.01, le=2)] = 1.0
    """Not OpenAI's either: divide the logits of tokens that were said, in the prompt too."""
    min_tokens: Annotated[int, Field(ge=0)] = 0
    """Not OpenAI's either: the model does not end an answer before it has so many tokens."""
    ignore_eos: bool = False
    """Not OpenAI's either: the token that ends an answer does not; for measurements."""

    @property
    def most_tokens(self) -> int | None:
        """Of an answer; None: what the context has room for."""
        return self.max_tokens

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts at which the answer ends."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @model_validator(mode="after")
    def _stream_options_are_a_streams(self) -> SampledRequest:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options: only with stream; leave it out")
        return self

    @model_validator(mode="after")
    def _minimum_is_below_maximum(self) -> SampledRequest:
        most = self.most_tokens
        if most is not None and self.min_tokens > most:
            raise ValueError(f"min_tokens: {self.min_tokens}, and {most} are the most; lower it, or raise max_tokens")
        return self


def parse(
    model: type[Request], body: Any, ignored: frozenset[str], neutral: Mapping[str, tuple[object, ...]]
) -> Request:
    """The request of a JSON body. Raises `RequestError` (400) that names the field and the rule.

    Args:
        model: What the request is.
        body: The JSON value.
        ignored: Fields that are accepted and without effect.
        neutral: Fields that are not supported, with the values that ask for nothing.
    """
    if isinstance(body, dict):
        body = _without(cast("dict[str, Any]", body), ignored, neutral)
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise _refusal(error) from error


def _refusal(error: ValidationError) -> RequestError:
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return invalid(f"{path}: there is no such field here; leave it out", param=path, code="unknown_parameter")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":  # written by us, with the field in front
        path = ".".join(filter(None, (path, message.partition(":")[0])))
        message = message.partition(": ")[2]
    return invalid(f"{path}: {message}" if path else message, param=path or None)


def _without(
    body: dict[str, Any], ignored: frozenset[str], neutral: Mapping[str, tuple[object, ...]]
) -> dict[str, Any]:
    for field, values in neutral.items():
        value = body.get(field)
        if value is not None and not any(value == other and type(value) is type(other) for other in values):
            rule = f"only {_listed(values)} is supported here" if values else "this is not supported here"
            code = "unsupported_value" if values else "unsupported_parameter"
            raise invalid(f"{field}: {rule}; leave it out", param=field, code=code)
    return {key: value for key, value in body.items() if key not in ignored and key not in neutral}


def _listed(values: tuple[object, ...]) -> str:
    return " or ".join(json.dumps(value) for value in values)
