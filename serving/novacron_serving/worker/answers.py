"""What answers of chat and of completions have in common: usage, events, clients that leave."""

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
from novacron_serving.protocol.openai.answers import ChatLogprobs, LogprobBody, TopLogprobBody, UsageBody

Result = TypeVar("Result")


@dataclass(slots=True)
class Usage:
    """Tokens of a request's prompts and answers."""

    _prompts: dict[int, Delta] = field(default_factory=dict[int, Delta])
    _answers: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])

    def add(self, delta: Delta, prompt: int = 0) -> None:
        """Args: `prompt`: which of the request's prompts it answers."""
        first = self._prompts.setdefault(prompt, delta)
        if delta.cached_tokens > first.cached_tokens:
            self._prompts[prompt] = delta
        self._answers[prompt, delta.index] = delta.completion_tokens

    @property
    def prompt_tokens(self) -> int:
        """Each prompt counts once, however many answers it has."""
        return sum(delta.prompt_tokens for delta in self._prompts.values())

    @property
    def completion_tokens(self) -> int:
        """Of all answers."""
        return sum(self._answers.values())

    def body(self) -> UsageBody:
        """As OpenAI tells it."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": sum(delta.cached_tokens for delta in self._prompts.values())},
        }


def end(usage: Usage, *, tell: bool) -> bytes:
    """The end of a stream."""
    return (b": usage " + orjson.dumps(usage.body()) + b"\n\n" if tell else b"") + b"data: [DONE]\n\n"


def event(body: object) -> bytes:
    """A server-sent event."""
    return b"data: " + orjson.dumps(body) + b"\n\n"


async def events_or_error(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A stream whose failure is told: its status was sent before."""
    try:
        async for piece in events:
            yield piece
    except RequestError as error:
        yield event(error.body())


def logprob_body(token: TokenLogprob) -> TopLogprobBody:
    """One token as the chat API tells it."""
    return {"token": token.token, "logprob": token.logprob, "bytes": list(token.bytes)}


def chat_logprobs(tokens: Sequence[TokenLogprob]) -> ChatLogprobs:
    """A choice's `logprobs`."""
    content: list[LogprobBody] = [
        {**logprob_body(token), "top_logprobs": [logprob_body(top) for top in token.top]} for token in tokens
    ]
    return {"content": content, "refusal": None}


async def unless_client_leaves(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The work's result. A client that leaves cancels it, which aborts what the engine does for it."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_until_it_leaves(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def _until_it_leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
