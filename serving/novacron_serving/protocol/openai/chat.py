"""Requests of `POST /v1/chat/completions`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from novacron_serving.protocol.openai.messages import Message
from novacron_serving.protocol.openai.strict import OTHER_NEUTRAL, SampledRequest, parse
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
"""Accepted without effect, because they do not change the response."""

NEUTRAL: dict[str, tuple[object, ...]] = (
    {
        "audio": (),
        "function_call": ("none", "auto"),
        "functions": ([],),
        "modalities": (["text"],),
        "moderation": (),
        "prediction": (),
        "web_search_options": (),
        # Of other servers.
        "add_generation_prompt": (True,),
        "continue_final_message": (False,),
        "documents": ([],),
        "echo": (False,),
        "include_reasoning": (True,),
        "mm_processor_kwargs": ({},),
        "separate_reasoning": (True,),
        "stream_reasoning": (True,),
    }
    | {name: values for name, values in OTHER_NEUTRAL.items() if name != "add_special_tokens"}
    | {
        "add_special_tokens": (False,),  # the template writes them
    }
)
"""Fields that are not supported, with the values that have no effect. Only these values are accepted."""
RESERVED_ARGUMENTS = frozenset(
    {"add_generation_prompt", "chat_template", "continue_final_message", "messages", "tokenize", "tools"}
)
"""Arguments of a chat template that a request cannot set, because the server does."""


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class ChatRequest(SampledRequest):
    """A chat request."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat = TextFormat(type="text")
    tools: Annotated[list[Tool], Field(max_length=128)] = Field(default=[])
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool = True
    """False: at most one call."""
    reasoning_effort: Effort | None = None
    """A hint for the chat template. Templates that do not know it pass it over."""
    verbosity: Literal["low", "medium", "high"] | None = None
    """A hint for the chat template. Templates that do not know it pass it over."""
    chat_template_kwargs: dict[str, Any] = Field(default={}, max_length=32)
    """Arguments of the chat template, such as `enable_thinking`. Not in OpenAI's API."""

    @property
    def template_arguments(self) -> dict[str, Any]:
        """Everything that the request says to the chat template."""
        hints = {"reasoning_effort": self.reasoning_effort, "verbosity": self.verbosity}
        return {name: value for name, value in hints.items() if value is not None} | self.chat_template_kwargs

    @property
    def completion_limit(self) -> int | None:
        """Maximum tokens of a choice. The newer name of the field takes precedence."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def forced_tools(self) -> list[Tool]:
        """Tools of which one must be called. Empty: the model decides."""
        if isinstance(self.tool_choice, NamedTool):
            name = self.tool_choice.function.name
            return [tool for tool in self.tools if tool.function.name == name]
        return self.tools if self.tool_choice == "required" else []

    @property
    def offered_tools(self) -> list[Tool]:
        """Tools that are described to the model."""
        return [] if self.tool_choice == "none" else self.tools

    @model_validator(mode="after")
    def _fits_together(self) -> ChatRequest:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs: needs logprobs; set logprobs to true")
        names = [tool.function.name for tool in self.tools]
        if duplicate := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"tools: the name {duplicate!r} occurs twice; give each function its own name")
        if not self.tools and self.tool_choice not in (None, "none", "auto"):
            raise ValueError("tool_choice: needs tools; add them")
        if isinstance(self.tool_choice, NamedTool) and not self.forced_tools:
            name = self.tool_choice.function.name
            raise ValueError(f"tool_choice: {name!r} is not one of the tools; name one of them")
        if reserved := sorted(RESERVED_ARGUMENTS & self.chat_template_kwargs.keys()):
            raise ValueError(f"chat_template_kwargs: {reserved[0]} is set by the server; leave it out")
        if (self.min_tokens or self.ignore_eos) and (
            self.offered_tools or not isinstance(self.response_format, TextFormat)
        ):
            field = "min_tokens" if self.min_tokens else "ignore_eos"
            raise ValueError(
                f"{field}: cannot be combined with tools or a response_format, which determine the end; leave it out"
            )
        return self


def parse_chat(body: object) -> ChatRequest:
    """Parse a JSON body. Raises `RequestError` (400), which names the field and the rule."""
    return parse(ChatRequest, body, IGNORED, NEUTRAL)
