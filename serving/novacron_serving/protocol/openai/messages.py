"""Messages of a conversation, with the calls of functions in them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from novacron_serving.protocol.openai.strict import Strict


class TextPart(Strict):
    """One part of a message's content."""

    type: Literal["text"]
    text: str


class CalledFunction(Strict):
    """Which function, and with what."""

    name: str
    arguments: str
    """JSON, as the model wrote it."""


class ToolCall(Strict):
    """A call that the assistant made."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class Message(Strict):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    """Needed, but for an assistant's message that has calls."""
    name: str | None = None
    """Accepted, and not shown to the model."""
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    """Which call a tool's message answers."""
    annotations: list[Any] | None = None
    """Accepted, and not shown to the model: clients send an answer's message back as it was."""

    @property
    def text(self) -> str:
        """The content as one text."""
        if self.content is None:
            return ""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)

    @model_validator(mode="after")
    def _has_what_its_role_needs(self) -> Message:
        if self.tool_calls is not None and self.role != "assistant":
            raise ValueError("tool_calls: only an assistant's message has them; leave it out")
        if (self.tool_call_id is not None) != (self.role == "tool"):
            raise ValueError("tool_call_id: messages of role tool need it, and no others; name the call it answers")
        if self.content is None and not self.tool_calls:
            raise ValueError("content: Field required")
        return self
