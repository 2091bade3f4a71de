"""Text completions: a client's request to the engine's requests, and the engine's deltas to OpenAI's response."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from typing_extensions import TypedDict

from novacron_serving.engines import Delta, GenerationRequest, TextPrompt, TokenLogprob
from novacron_serving.protocol.openai import CompletionRequest
from novacron_serving.protocol.openai.responses import CompletionLogprobs, TextCompletion
from novacron_serving.worker.chat import make_sampling
from novacron_serving.worker.responses import Usage, end_event, event

Generate = Callable[[GenerationRequest], AsyncIterator[Delta]]
PromptDeltas = AsyncGenerator[tuple[int, Delta], None]
"""Deltas, each with the index of its prompt."""


class Completion:
    """One completion request, with a generation for each of its prompts."""

    def __init__(self, request: CompletionRequest, adapter: str | None) -> None:
        self.request = request
        self.request_id = f"cmpl-{uuid.uuid4().hex}"
        self.generations = [
            GenerationRequest(
                request_id=f"{self.request_id}-{number}",
                prompt=TextPrompt(prompt) if isinstance(prompt, str) else TextPrompt(tokens=tuple(prompt)),
                sampling=make_sampling(request),
                max_tokens=max(1, request.completion_limit),
                min_tokens=request.min_tokens,
                ignore_eos=request.ignore_eos,
                stops=request.stops,
                n=request.n,
                logprobs=request.logprobs,
                adapter=adapter,
            )
            for number, prompt in enumerate(request.prompts)
        ]

    @property
    def echoes(self) -> list[str]:
        """The text that each choice starts with: its prompt, if the client asked for it."""
        prompts = self.request.prompts
        return [
            prompt if self.request.echo and isinstance(prompt, str) else ""
            for prompt in prompts
            for _ in range(self.request.n)
        ]

    def choice_index(self, prompt: int, delta: Delta) -> int:
        """Return the index of a choice in the response: all choices of the first prompt, then those of the next."""
        return prompt * self.request.n + delta.index


async def generate_all(generate: Generate, completion: Completion) -> PromptDeltas:
    """Yield the deltas of all prompts as they arrive. The first prompt that fails aborts the others."""
    queue: asyncio.Queue[tuple[int, Delta] | BaseException | None] = asyncio.Queue()

    async def forward(number: int, generation: GenerationRequest) -> None:
        try:
            async for delta in generate(generation):
                queue.put_nowait((number, _without_text(delta) if completion.request.completion_limit == 0 else delta))
        except Exception as error:  # noqa: BLE001 - raised by the reader of the queue
            queue.put_nowait(error)
        else:
            queue.put_nowait(None)

    tasks = [asyncio.create_task(forward(number, one)) for number, one in enumerate(completion.generations)]
    try:
        running = len(tasks)
        while running:
            item = await queue.get()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                running -= 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _without_text(delta: Delta) -> Delta:
    """Return a delta of a request for no tokens. Engines compute a prompt only together with its next token."""
    return replace(delta, text="", completion_tokens=0, logprobs=(), finish_reason=delta.finish_reason and "length")


class _Frame(TypedDict):
    id: str
    object: Literal["text_completion"]
    created: int
    model: str


@dataclass(slots=True)
class _Choice:
    text: str
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    finish_reason: str | None = None


async def build_completion(completion: Completion, deltas: PromptDeltas) -> TextCompletion:
    """Return the response to a request without `stream`."""
    usage = Usage()
    choices = [_Choice(echo) for echo in completion.echoes]
    async for prompt, delta in deltas:
        usage.add(delta, prompt)
        choice = choices[completion.choice_index(prompt, delta)]
        choice.text += delta.text
        choice.logprobs += delta.logprobs
        choice.finish_reason = delta.finish_reason
    with_logprobs = completion.request.logprobs is not None
    return {
        **_frame(completion),
        "choices": [
            {
                "index": index,
                "text": choice.text,
                "logprobs": _logprobs(choice.logprobs, 0) if with_logprobs else None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(choices)
        ],
        "usage": usage.body(),
    }


async def stream_completion(
    completion: Completion, deltas: PromptDeltas, *, report_usage: bool = False
) -> AsyncIterator[bytes]:
    """Yield the events of a streamed response.

    Args:
        completion: the request.
        deltas: the engine's output.
        report_usage: whether to report the usage to the coordinator in a comment.
    """
    options = completion.request.stream_options
    with_usage = options is not None and options.include_usage
    with_every_chunk = options is not None and options.continuous_usage_stats
    frame: dict[str, Any] = {**_frame(completion), **({"usage": None} if with_usage else {})}
    usage = Usage()
    offsets = [0] * len(completion.echoes)

    def chunk(index: int, text: str, logprobs: CompletionLogprobs | None = None, reason: str | None = None) -> bytes:
        choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}
        return event(frame | {"choices": [choice]} | ({"usage": usage.body()} if with_every_chunk else {}))

    for index, echo in enumerate(completion.echoes):
        if echo:
            yield chunk(index, echo)
    async with aclosing(deltas):
        async for prompt, delta in deltas:
            usage.add(delta, prompt)
            index = completion.choice_index(prompt, delta)
            logprobs = _logprobs(delta.logprobs, offsets[index]) if delta.logprobs else None
            offsets[index] += sum(len(token.token) for token in delta.logprobs)
            yield chunk(index, delta.text, logprobs, delta.finish_reason)
    if with_usage:
        yield event(frame | {"choices": [], "usage": usage.body()})
    yield end_event(usage, report_usage=report_usage)


def _frame(completion: Completion) -> _Frame:
    return {
        "id": completion.request_id,
        "object": "text_completion",
        "created": int(time.time()),
        "model": completion.request.model,
    }


def _logprobs(tokens: list[TokenLogprob] | tuple[TokenLogprob, ...], offset: int) -> CompletionLogprobs:
    offsets: list[int] = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.token)
    return {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{top.token: top.logprob for top in token.top} for token in tokens],
        "text_offset": offsets,
    }
