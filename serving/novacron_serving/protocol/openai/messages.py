"""Messages of a conversation, with their tool calls."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from novacron_serving.protocol.openai.strict import History


class TextPart(History):
    """One part of a message's content."""

    type: Literal["text"]
    text: str


class CalledFunction(History):
    """The function's name and arguments."""

    name: str
    arguments: str
    """JSON, as the model wrote it."""


class ToolCall(History):
    """A tool call of the assistant."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class Message(History):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    """Required, except in an assistant's message with tool calls."""
    name: str | None = None
    """Accepted without effect."""
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    """The call whose result this tool message is."""

    @property
    def text(self) -> str:
        """The content as one text."""
        if self.content is None:
            return ""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)

    @model_validator(mode="after")
    def _has_what_its_role_needs(self) -> Message:
        if self.tool_calls is not None and self.role != "assistant":
            raise ValueError("tool_calls: only messages of role assistant have them; leave it out")
        if (self.tool_call_id is not None) != (self.role == "tool"):
            raise ValueError("tool_call_id: messages of role tool need it, and other messages must not have it")
        if self.content is None and not self.tool_calls:
            raise ValueError("content: Field required")
        return self
