"""Requests on their way through the decoder, and the answers that are made for them."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any

from novacron_serving.engines import Delta, FinishReason, GenerationRequest, TokenLogprob
from novacron_serving.engines.detokenizer import Detokenizer
from novacron_serving.engines.pytorch.guides import Matcher
from novacron_serving.engines.pytorch.sampling import Sampler
from novacron_serving.engines.tokens import Tokens


@dataclass(slots=True, eq=False)
class Job:
    """A request under way."""

    request: GenerationRequest
    prompt: list[int]
    max_tokens: int
    matcher: Matcher | None
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[Delta | Exception] = field(default_factory=asyncio.Queue[Delta | Exception])
    cancelled: threading.Event = field(default_factory=threading.Event)
    prefilled: Any = None
    """The prompt's key-value cache, as far as it was computed."""
    prefilled_tokens: int = 0
    cached_tokens: int = 0
    """Of the prompt, not computed again."""


class Answer:
    """One of a request's answers, token by token."""

    def __init__(self, job: Job, index: int, tokens: Tokens, end_ids: set[int], sampler: Sampler) -> None:
        self.job = job
        self.sampler = sampler
        self.last_token = 0
        self.finished = False
        self._index = index
        self._tokens = tokens
        self._end_ids: set[int] = set() if job.request.ignore_eos else end_ids
        self._count = 0
        self._text = Detokenizer(tokens.decode, job.request.stops)

    def take(self, token: int, logits: Any) -> Delta | None:
        """The token that was chosen, and what it was chosen from; None: there is nothing to tell yet."""
        if token in self._end_ids:
            return self._delta(self._text.rest(), "stop")
        self._count += 1
        self.last_token = token
        logprobs = self._logprobs(token, logits)
        formed = self.sampler.take(token)
        text, stopped = self._text.add(token)
        if stopped:
            return self._delta(text, "stop", logprobs)
        if formed or self._count >= self.job.max_tokens:
            return self._delta(text + self._text.rest(), "stop" if formed else "length", logprobs)
        return self._delta(text, None, logprobs) if text or logprobs else None

    def cut(self) -> Delta:
        """The end of an answer that is aborted."""
        return self._delta(self._text.rest(), "stop")

    def _delta(self, text: str, reason: FinishReason | None, logprobs: tuple[TokenLogprob, ...] = ()) -> Delta:
        self.finished = reason is not None
        return Delta(text, len(self.job.prompt), self._count, reason, self._index, logprobs, self.job.cached_tokens)

    def _logprobs(self, token: int, logits: Any) -> tuple[TokenLogprob, ...]:
        """Of the model's own distribution: before temperature, penalties and guides."""
        asked = self.job.request.logprobs
        if asked is None:
            return ()
        ranked = logits.float().log_softmax(-1)
        top: tuple[TokenLogprob, ...] = ()
        if asked:
            values, ids = ranked.topk(min(asked, ranked.numel()))
            top = tuple(self._told(*pair) for pair in zip(ids.tolist(), values.tolist(), strict=True))
        return (self._told(token, float(ranked[token]), top),)

    def _told(self, token: int, logprob: float, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
        text, raw = self._tokens.piece(token)
        return TokenLogprob(text, logprob, raw, top)
