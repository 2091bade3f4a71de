"""`POST /v1/chat/completions`, as far as it is served."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from novacron_serving.protocol.openai.messages import Message
from novacron_serving.protocol.openai.strict import SampledRequest, parse
from novacron_serving.protocol.openai.tools import NamedTool, ResponseFormat, TextFormat, Tool, ToolChoice

IGNORED = frozenset(
    {
        "metadata",
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
    "function_call": ("none", "auto"),
    "functions": ([],),
    "modalities": (["text"],),
    "moderation": (),
    "prediction": (),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "web_search_options": (),
}
"""OpenAI's fields that are not supported, with the values that ask for nothing: only these are accepted."""


class ChatRequest(SampledRequest):
    """What a client asks for."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat = TextFormat(type="text")
    tools: Annotated[list[Tool], Field(max_length=128)] = Field(default=[])
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool = True
    """False: one call at most."""

    @property
    def most_tokens(self) -> int | None:
        """The newer name counts first."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def forced_tools(self) -> list[Tool]:
        """One of these has to be called; none: the model decides."""
        if isinstance(self.tool_choice, NamedTool):
            name = self.tool_choice.function.name
            return [tool for tool in self.tools if tool.function.name == name]
        return self.tools if self.tool_choice == "required" else []

    @property
    def offered_tools(self) -> list[Tool]:
        """What the model is told of."""
        return [] if self.tool_choice == "none" else self.tools

    @model_validator(mode="after")
    def _fits_together(self) -> ChatRequest:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs: only with logprobs; set it to true")
        names = [tool.function.name for tool in self.tools]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"tools: {twice} stands there twice; names must differ")
        if not self.tools and self.tool_choice not in (None, "none", "auto"):
            raise ValueError("tool_choice: there are no tools to choose from; give tools")
        if isinstance(self.tool_choice, NamedTool) and not self.forced_tools:
            name = self.tool_choice.function.name
            raise ValueError(f"tool_choice: there is no function {name!r} among the tools; name one of them")
        if self.offered_tools and not isinstance(self.response_format, TextFormat):
            raise ValueError("response_format: not beside tools that may be called; set tool_choice to none")
        if (self.min_tokens or self.ignore_eos) and (
            self.offered_tools or not isinstance(self.response_format, TextFormat)
        ):
            field = "min_tokens" if self.min_tokens else "ignore_eos"
            raise ValueError(f"{field}: not beside tools or a response_format, which say where an answer ends")
        return self


def parse_chat(body: Any) -> ChatRequest:
    """The request of a JSON body. Raises `RequestError` (400) that names the field and the rule."""
    return parse(ChatRequest, body, IGNORED, NEUTRAL)
