"""Requests of `POST /v1/completions`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from novacron_serving.protocol.openai.strict import OTHER_NEUTRAL, SampledRequest, parse

COMPLETION_IGNORED = frozenset({"metadata", "service_tier", "store", "user"})
"""Accepted without effect."""
COMPLETION_NEUTRAL: dict[str, tuple[object, ...]] = {"suffix": ("",)} | OTHER_NEUTRAL
"""Fields that are not supported, with the values that have no effect. Only these values are accepted."""
DEFAULT_MAX_TOKENS = 16
"""OpenAI's default."""
Token = Annotated[int, Field(ge=0, lt=2**31)]
MAX_PROMPTS = 64


class CompletionRequest(SampledRequest):
    """A text completion request."""

    prompt: (
        str
        | Annotated[list[Token], Field(min_length=1)]
        | Annotated[list[str], Field(min_length=1, max_length=MAX_PROMPTS)]
        | Annotated[list[Annotated[list[Token], Field(min_length=1)]], Field(min_length=1, max_length=MAX_PROMPTS)]
    )
    echo: bool = False
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None

    @property
    def completion_limit(self) -> int:
        """Maximum tokens of a choice. 0: nothing is generated, and the response has the prompt, if it is echoed."""
        return DEFAULT_MAX_TOKENS if self.max_tokens is None else self.max_tokens

    @property
    def prompts(self) -> tuple[str | list[int], ...]:
        """The prompts, each as text or tokens."""
        prompt = self.prompt
        if isinstance(prompt, str):
            return (prompt,)
        if isinstance(prompt[0], int):
            return (prompt,)  # type: ignore[return-value]
        return tuple(prompt)  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _echo_is_of_text(self) -> CompletionRequest:
        if self.echo and self.logprobs is not None:
            raise ValueError("echo: cannot be combined with logprobs; leave one of them out")
        if self.echo and not all(isinstance(prompt, str) for prompt in self.prompts):
            raise ValueError("echo: supports text prompts only; leave it out")
        return self


def parse_completion(body: object) -> CompletionRequest:
    """Parse a JSON body. Raises `RequestError` (400), which names the field and the rule."""
    return parse(CompletionRequest, body, COMPLETION_IGNORED, COMPLETION_NEUTRAL)
