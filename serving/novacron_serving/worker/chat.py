"""Chat completions: from the request to the engine's, and from its deltas to OpenAI's answers and chunks."""

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
from novacron_serving.protocol.openai.answers import ChatCompletion, ChatMessageBody, ToolCallBody
from novacron_serving.worker.answers import Usage, chat_logprobs, end, event
from novacron_serving.worker.tool_calls import (
    AnswerReader,
    Arguments,
    Call,
    HermesReader,
    JsonReader,
    NamedReader,
    Piece,
    PlainReader,
    Text,
    ToolFormat,
    schema_of_calls,
    structures_of_calls,
)


def sampling_of(request: SampledRequest) -> Sampling:
    """How the engine is to choose tokens."""
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
        """Raises `RequestError` for calls that the model's template has no words for."""
        if request.offered_tools and not request.forced_tools and tool_format is None:
            raise invalid(
                "tool_choice: this model's template has no form of calls that is known here; "
                "use required or a named function, or leave the tools out",
                param="tool_choice",
                code="unsupported_value",
            )
        self.request = request
        self._tool_format = tool_format
        self._most_calls = None if request.parallel_tool_calls else 1
        self.generation = GenerationRequest(
            request_id=f"chatcmpl-{uuid.uuid4().hex}",
            prompt=ChatPrompt(
                tuple(request.messages),
                tuple(_told_to_the_model(tool) for tool in request.offered_tools),
            ),
            sampling=sampling_of(request),
            max_tokens=request.most_tokens,
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
            return _held_to(forced[0].function.schema_of_arguments)
        if forced:
            return _held_to(schema_of_calls(forced, most_calls=self._most_calls))
        tools, form = request.offered_tools, self._tool_format
        if form is not None and any(tool.function.strict for tool in tools):
            return Guide(GuideKind.STRUCTURAL_TAG, json.dumps(structures_of_calls(tools, form)))
        match request.response_format:
            case TextFormat():
                return None
            case JsonObjectFormat():
                return Guide(GuideKind.JSON_OBJECT)
            case JsonSchemaFormat(json_schema=form):
                return _held_to(form.schema_)

    def reader(self) -> AnswerReader:
        """For one answer."""
        request, tools = self.request, self.request.offered_tools
        if isinstance(request.tool_choice, NamedTool):
            return NamedReader(request.tool_choice.function.name)
        if request.forced_tools or (tools and self._tool_format is ToolFormat.JSON):
            return JsonReader(tools, most_calls=self._most_calls)
        return HermesReader(tools, most_calls=self._most_calls) if tools else PlainReader()

    def finish_reason(self, delta: Delta, reader: AnswerReader) -> str:
        """As OpenAI has it: a named function was no decision of the model's, so its end is plain."""
        if delta.finish_reason == "stop" and reader.calls and not isinstance(self.request.tool_choice, NamedTool):
            return "tool_calls"
        return str(delta.finish_reason)

    def refusal(self, error: RequestError) -> RequestError:
        """The engine speaks of the form; the client gave it as a function's parameters."""
        if error.param == "response_format" and self.request.offered_tools:
            return invalid(str(error).replace("response_format", "tools", 1), param="tools", code=error.code)
        return error


def _told_to_the_model(tool: Tool) -> dict[str, Any]:
    return tool.model_dump(exclude_none=True, exclude={"function": {"strict"}})


def _held_to(schema: dict[str, Any]) -> Guide:
    return Guide(GuideKind.JSON_SCHEMA, json.dumps(schema))


@dataclass(slots=True)
class _Choice:
    """One answer, put together."""

    reader: AnswerReader
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


async def whole_chat(chat: Chat, deltas: AsyncIterator[Delta]) -> ChatCompletion:
    """The answer in one piece."""
    usage = Usage()
    choices = [_Choice(chat.reader()) for _ in range(chat.request.n)]
    async for delta in deltas:
        usage.add(delta)
        choice = choices[delta.index]
        choice.add(_pieces(choice.reader, delta))
        choice.logprobs += delta.logprobs
        if delta.finish_reason is not None:
            choice.finish_reason = chat.finish_reason(delta, choice.reader)
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


async def chat_events(chat: Chat, deltas: AsyncIterator[Delta], *, tell_usage: bool = False) -> AsyncIterator[bytes]:
    """The answer in chunks."""
    request = chat.request
    with_usage = request.stream_options is not None and request.stream_options.include_usage
    frame = {
        "id": chat.generation.request_id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": request.model,
    } | ({"usage": None} if with_usage else {})
    usage = Usage()
    readers = [chat.reader() for _ in range(request.n)]
    begun: set[int] = set()

    def chunk(index: int, said: dict[str, Any], reason: str | None = None, logprobs: Any = None) -> bytes:
        choice = {"index": index, "delta": said, "logprobs": logprobs, "finish_reason": reason}
        return event(frame | {"choices": [choice]})

    async for delta in deltas:
        usage.add(delta)
        reader = readers[delta.index]
        logprobs = chat_logprobs(delta.logprobs) if delta.logprobs else None
        pieces = _pieces(reader, delta)
        if delta.index not in begun and (pieces or logprobs or delta.finish_reason):
            begun.add(delta.index)
            content = None if pieces and isinstance(pieces[0], Call) else ""
            yield chunk(delta.index, {"role": "assistant", "content": content, "refusal": None})
        for piece in pieces:
            yield chunk(delta.index, _told(piece), logprobs=logprobs)
            logprobs = None
        if logprobs is not None:  # tokens without a text yet
            yield chunk(delta.index, {"content": ""}, logprobs=logprobs)
        if delta.finish_reason is not None:
            yield chunk(delta.index, {}, chat.finish_reason(delta, reader))
    if with_usage:
        yield event(frame | {"choices": [], "usage": usage.body()})
    yield end(usage, tell=tell_usage)


def _pieces(reader: AnswerReader, delta: Delta) -> list[Piece]:
    pieces = list(reader.feed(delta.text)) if delta.text else []
    return pieces if delta.finish_reason is None else [*pieces, *reader.rest()]


def _told(piece: Piece) -> dict[str, Any]:
    match piece:
        case Text(text):
            return {"content": text}
        case Call(number, id_, name):
            call = {"index": number, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}
            return {"tool_calls": [call]}
        case Arguments(number, text):
            return {"tool_calls": [{"index": number, "function": {"arguments": text}}]}
