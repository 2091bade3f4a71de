"""Chat completions: a client's request to the engine's request, and the engine's deltas to OpenAI's response."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from novacron_serving.engines import ChatPrompt, Delta, GenerationRequest, Guide, GuideKind, Sampling, TokenLogprob
from novacron_serving.errors import RequestError, invalid
from novacron_serving.protocol.openai import (
    ChatRequest,
    JsonObjectFormat,
    JsonSchemaFormat,
    NamedTool,
    SampledRequest,
    TextFormat,
    Tool,
)
from novacron_serving.protocol.openai.responses import ChatCompletion, ChatLogprobs, ChatMessageBody, ToolCallBody
from novacron_serving.worker.responses import Usage, chat_logprobs, end_event, event
from novacron_serving.worker.tool_calls import (
    Arguments,
    Call,
    HermesParser,
    JsonParser,
    NamedParser,
    Piece,
    PlainParser,
    Text,
    ToolCallParser,
    ToolFormat,
    make_calls_schema,
    make_choice_schema,
    make_structural_tag,
)


def make_sampling(request: SampledRequest) -> Sampling:
    """Return the engine's sampling parameters for a request."""
    return Sampling(
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        min_p=request.min_p,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        repetition_penalty=request.repetition_penalty,
        logit_bias={int(token): bias for token, bias in request.logit_bias.items()},
        seed=request.seed,
    )


class Chat:
    """One chat request."""

    def __init__(self, request: ChatRequest, adapter: str | None, tool_format: ToolFormat | None) -> None:
        """Make the engine's request.

        Args:
            request: the client's request.
            adapter: name of the LoRA adapter, if any.
            tool_format: how the model writes tool calls. None: unknown; calls are then JSON, as described to the model.
        """
        self.request = request
        self._tool_format = tool_format or ToolFormat.JSON
        self._max_calls = None if request.parallel_tool_calls else 1
        self.generation = GenerationRequest(
            request_id=f"chatcmpl-{uuid.uuid4().hex}",
            prompt=ChatPrompt(
                tuple(request.messages),
                tuple(_describe_tool(tool) for tool in request.offered_tools),
                request.template_arguments,
            ),
            sampling=make_sampling(request),
            max_tokens=request.completion_limit,
            min_tokens=request.min_tokens,
            ignore_eos=request.ignore_eos,
            stops=request.stops,
            n=request.n,
            logprobs=(request.top_logprobs or 0) if request.logprobs else None,
            guide=self._guide(),
            adapter=adapter,
        )

    def _guide(self) -> Guide | None:
        request, forced = self.request, self.request.forced_tools
        if isinstance(request.tool_choice, NamedTool):
            return _follow_schema(forced[0].function.schema_of_arguments)
        if forced:
            return _follow_schema(make_calls_schema(forced, max_calls=self._max_calls))
        tools = request.offered_tools
        match request.response_format:
            case TextFormat():
                if not any(tool.function.strict for tool in tools):
                    return None
                return Guide(GuideKind.STRUCTURAL_TAG, json.dumps(make_structural_tag(tools, self._tool_format)))
            case JsonObjectFormat():
                schema: dict[str, Any] = {"type": "object"}
                if not tools:
                    return Guide(GuideKind.JSON_OBJECT)
            case JsonSchemaFormat(json_schema=json_schema):
                schema = json_schema.schema_
                if not tools:
                    return _follow_schema(schema)
        return _follow_schema(make_choice_schema(tools, schema, max_calls=self._max_calls))

    def make_parser(self) -> ToolCallParser:
        """Return a parser for the text of one choice."""
        request, tools = self.request, self.request.offered_tools
        if isinstance(request.tool_choice, NamedTool):
            return NamedParser(request.tool_choice.function.name)
        formatted = not isinstance(request.response_format, TextFormat)
        if request.forced_tools or (tools and (formatted or self._tool_format is ToolFormat.JSON)):
            return JsonParser(tools, max_calls=self._max_calls)
        return HermesParser(tools, max_calls=self._max_calls) if tools else PlainParser()

    def finish_reason(self, delta: Delta, parser: ToolCallParser) -> str:
        """Return the finish reason of OpenAI's API.

        A call of a named function ends with `stop`, because the model did not decide to make it.
        """
        if delta.finish_reason == "stop" and parser.calls and not isinstance(self.request.tool_choice, NamedTool):
            return "tool_calls"
        return str(delta.finish_reason)

    def name_field_of_client(self, error: RequestError) -> RequestError:
        """Return the engine's error with the field that the client sent: a schema may come from its tools."""
        formatted = not isinstance(self.request.response_format, TextFormat)
        if error.param == "response_format" and self.request.offered_tools and not formatted:
            return invalid(str(error).replace("response_format", "tools", 1), param="tools", code=error.code)
        return error


def _describe_tool(tool: Tool) -> dict[str, Any]:
    return tool.model_dump(exclude_none=True, exclude={"function": {"strict"}})


def _follow_schema(schema: dict[str, Any]) -> Guide:
    return Guide(GuideKind.JSON_SCHEMA, json.dumps(schema))


@dataclass(slots=True)
class _Choice:
    """One choice of a response without `stream`."""

    parser: ToolCallParser
    content: str = ""
    calls: list[ToolCallBody] = field(default_factory=list[ToolCallBody])
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    finish_reason: str | None = None

    def add(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            match piece:
                case Text(text):
                    self.content += text
                case Call(_, id_, name):
                    self.calls.append({"id": id_, "type": "function", "function": {"name": name, "arguments": ""}})
                case Arguments(number, text):
                    self.calls[number]["function"]["arguments"] += text

    def message(self) -> ChatMessageBody:
        content = self.content if self.content or not self.calls else None
        message: ChatMessageBody = {"role": "assistant", "content": content, "refusal": None, "annotations": []}
        if self.calls:
            message["tool_calls"] = self.calls
        return message


async def build_chat(chat: Chat, deltas: AsyncIterator[Delta]) -> ChatCompletion:
    """Return the response to a request without `stream`."""
    usage = Usage()
    choices = [_Choice(chat.make_parser()) for _ in range(chat.request.n)]
    async for delta in deltas:
        usage.add(delta)
        choice = choices[delta.index]
        choice.add(_parse(choice.parser, delta))
        choice.logprobs += delta.logprobs
        if delta.finish_reason is not None:
            choice.finish_reason = chat.finish_reason(delta, choice.parser)
    return {
        "id": chat.generation.request_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": chat.request.model,
        "choices": [
            {
                "index": index,
                "message": choice.message(),
                "logprobs": chat_logprobs(choice.logprobs) if chat.request.logprobs else None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(choices)
        ],
        "usage": usage.body(),
    }


async def stream_chat(chat: Chat, deltas: AsyncIterator[Delta], *, report_usage: bool = False) -> AsyncIterator[bytes]:
    """Yield the events of a streamed response.

    Args:
        chat: the request.
        deltas: the engine's output.
        report_usage: whether to report the usage to the coordinator in a comment.
    """
    request = chat.request
    options = request.stream_options
    with_usage = options is not None and options.include_usage
    with_every_chunk = options is not None and options.continuous_usage_stats
    frame = {
        "id": chat.generation.request_id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": request.model,
    } | ({"usage": None} if with_usage else {})
    usage = Usage()
    parsers = [chat.make_parser() for _ in range(request.n)]
    started: set[int] = set()

    def chunk(
        index: int, fields: dict[str, Any], reason: str | None = None, logprobs: ChatLogprobs | None = None
    ) -> bytes:
        choice = {"index": index, "delta": fields, "logprobs": logprobs, "finish_reason": reason}
        return event(frame | {"choices": [choice]} | ({"usage": usage.body()} if with_every_chunk else {}))

    async for delta in deltas:
        usage.add(delta)
        parser = parsers[delta.index]
        logprobs = chat_logprobs(delta.logprobs) if delta.logprobs else None
        pieces = _parse(parser, delta)
        if delta.index not in started and (pieces or logprobs or delta.finish_reason):
            started.add(delta.index)
            content = None if pieces and isinstance(pieces[0], Call) else ""
            yield chunk(delta.index, {"role": "assistant", "content": content, "refusal": None})
        for piece in pieces:
            yield chunk(delta.index, _delta_fields(piece), logprobs=logprobs)
            logprobs = None
        if logprobs is not None:  # tokens that have no text yet
            yield chunk(delta.index, {"content": ""}, logprobs=logprobs)
        if delta.finish_reason is not None:
            yield chunk(delta.index, {}, chat.finish_reason(delta, parser))
    if with_usage:
        yield event(frame | {"choices": [], "usage": usage.body()})
    yield end_event(usage, report_usage=report_usage)


def _parse(parser: ToolCallParser, delta: Delta) -> list[Piece]:
    pieces = list(parser.feed(delta.text)) if delta.text else []
    return pieces if delta.finish_reason is None else [*pieces, *parser.finish()]


def _delta_fields(piece: Piece) -> dict[str, Any]:
    match piece:
        case Text(text):
            return {"content": text}
        case Call(number, id_, name):
            call = {"index": number, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}
            return {"tool_calls": [call]}
        case Arguments(number, text):
            return {"tool_calls": [{"index": number, "function": {"arguments": text}}]}
