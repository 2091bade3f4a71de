"""Shared by chat and text completions: token usage, server-sent events, and clients that disconnect."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from starlette.requests import ClientDisconnect, Request

from novacron_serving.engines import Delta, TokenLogprob
from novacron_serving.errors import RequestError
from novacron_serving.protocol.openai.responses import ChatLogprobs, LogprobBody, TopLogprobBody, UsageBody

Result = TypeVar("Result")


@dataclass(slots=True)
class Usage:
    """Counts the tokens of a request's prompts and completions."""

    _prompts: dict[int, Delta] = field(default_factory=dict[int, Delta])
    _completions: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])

    def add(self, delta: Delta, prompt: int = 0) -> None:
        """Count a delta. `prompt` is the index of its prompt in the request."""
        first = self._prompts.setdefault(prompt, delta)
        if delta.cached_tokens > first.cached_tokens:
            self._prompts[prompt] = delta
        self._completions[prompt, delta.index] = delta.completion_tokens

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts. Each prompt counts once, however many choices it has."""
        return sum(delta.prompt_tokens for delta in self._prompts.values())

    @property
    def completion_tokens(self) -> int:
        """Tokens of all choices."""
        return sum(self._completions.values())

    def body(self) -> UsageBody:
        """Return the `usage` object of OpenAI's API."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": sum(delta.cached_tokens for delta in self._prompts.values())},
        }


def end_event(usage: Usage, *, report_usage: bool) -> bytes:
    """Return the end of a stream, after a comment with the usage if the coordinator asked for it."""
    comment = b": usage " + orjson.dumps(usage.body()) + b"\n\n" if report_usage else b""
    return comment + b"data: [DONE]\n\n"


def event(body: object) -> bytes:
    """Return a server-sent event."""
    return b"data: " + orjson.dumps(body) + b"\n\n"


async def with_error_event(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Send an error as the last event of a stream, because the status was sent before."""
    try:
        async for piece in events:
            yield piece
    except RequestError as error:
        yield event(error.body())


def logprob_body(token: TokenLogprob) -> TopLogprobBody:
    """Return one token of the chat API's `logprobs`."""
    return {"token": token.token, "logprob": token.logprob, "bytes": list(token.bytes)}


def chat_logprobs(tokens: Sequence[TokenLogprob]) -> ChatLogprobs:
    """Return the `logprobs` of a choice."""
    content: list[LogprobBody] = [
        {**logprob_body(token), "top_logprobs": [logprob_body(top) for top in token.top]} for token in tokens
    ]
    return {"content": content, "refusal": None}


async def cancel_on_disconnect(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of `work`. If the client disconnects, cancel it, which aborts the generation.

    Raises:
        ClientDisconnect: the client has disconnected.
    """
    working = asyncio.ensure_future(work)
    disconnecting = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({working, disconnecting}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, disconnecting):
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
