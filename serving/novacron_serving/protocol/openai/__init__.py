"""Requests and responses of OpenAI's API.

A field that would change the response is honoured or rejected, never silently ignored. `docs/chat-api.md` lists all
fields.
"""

from novacron_serving.errors import RequestError
from novacron_serving.protocol.openai.chat import IGNORED, NEUTRAL, ChatRequest, parse_chat
from novacron_serving.protocol.openai.completions import (
    COMPLETION_IGNORED,
    COMPLETION_NEUTRAL,
    CompletionRequest,
    parse_completion,
)
from novacron_serving.protocol.openai.messages import CalledFunction, Message, TextPart, ToolCall
from novacron_serving.protocol.openai.strict import SampledRequest, StreamOptions
from novacron_serving.protocol.openai.tools import (
    Function,
    JsonObjectFormat,
    JsonSchemaFormat,
    NamedTool,
    ResponseFormat,
    TextFormat,
    Tool,
    ToolChoice,
)

__all__ = [
    "COMPLETION_IGNORED",
    "COMPLETION_NEUTRAL",
    "IGNORED",
    "NEUTRAL",
    "CalledFunction",
    "ChatRequest",
    "CompletionRequest",
    "Function",
    "JsonObjectFormat",
    "JsonSchemaFormat",
    "Message",
    "NamedTool",
    "ResponseFormat",
    "SampledRequest",
    "StreamOptions",
    "TextFormat",
    "TextPart",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "parse_chat",
    "parse_completion",
    "unknown_model",
]


def unknown_model(model: str, known: list[str]) -> RequestError:
    """Return the error for a model that is not served: 404, as in OpenAI's API."""
    served = ", ".join(known) or "none"
    return RequestError(
        404,
        f"model {model!r} is not served; the models are: {served}",
        kind="invalid_request_error",
        param="model",
        code="model_not_found",
    )
