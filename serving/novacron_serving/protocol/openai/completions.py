"""`POST /v1/completions`, as far as it is served."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from novacron_serving.protocol.openai.strict import SampledRequest, parse

COMPLETION_IGNORED = frozenset({"user"})
"""Accepted, and without effect here."""
COMPLETION_NEUTRAL: dict[str, tuple[object, ...]] = {"best_of": (1,), "suffix": ("",)}
"""OpenAI's fields that are not supported, with the values that ask for nothing: only these are accepted."""
DEFAULT_MAX_TOKENS = 16
"""OpenAI's."""
Token = Annotated[int, Field(ge=0, lt=2**31)]
MAX_PROMPTS = 64


class CompletionRequest(SampledRequest):
    """What a client asks for."""

    prompt: (
        str
        | Annotated[list[Token], Field(min_length=1)]
        | Annotated[list[str], Field(min_length=1, max_length=MAX_PROMPTS)]
        | Annotated[list[Annotated[list[Token], Field(min_length=1)]], Field(min_length=1, max_length=MAX_PROMPTS)]
    )
    echo: bool = False
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None

    @property
    def most_tokens(self) -> int:
        """Of one completion."""
        return self.max_tokens or DEFAULT_MAX_TOKENS

    @property
    def prompts(self) -> tuple[str | list[int], ...]:
        """One or several, text or tokens."""
        prompt = self.prompt
        if isinstance(prompt, str):
            return (prompt,)
        if isinstance(prompt[0], int):
            return (prompt,)  # type: ignore[return-value]
        return tuple(prompt)  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _echo_is_of_text(self) -> CompletionRequest:
        if self.echo and self.logprobs is not None:
            raise ValueError("echo: not beside logprobs, those of the prompt are not computed; leave one of them out")
        if self.echo and not all(isinstance(prompt, str) for prompt in self.prompts):
            raise ValueError("echo: only of prompts that are text; leave it out")
        return self


def parse_completion(body: Any) -> CompletionRequest:
    """The request of a JSON body. Raises `RequestError` (400) that names the field and the rule."""
    return parse(CompletionRequest, body, COMPLETION_IGNORED, COMPLETION_NEUTRAL)
