"""Requests in the decoder, and their choices."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from novacron_serving.engines import Delta, FinishReason, GenerationRequest, TokenLogprob
from novacron_serving.engines.detokenizer import Detokenizer
from novacron_serving.engines.pytorch.guides import Matcher
from novacron_serving.engines.pytorch.sampling import Sampler
from novacron_serving.engines.tokens import Tokens

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache


@dataclass(slots=True, eq=False)
class Job:
    """A request that is waiting or running."""

    request: GenerationRequest
    prompt: list[int]
    max_tokens: int
    matcher: Matcher | None
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[Delta | Exception] = field(default_factory=asyncio.Queue[Delta | Exception])
    cancelled: threading.Event = field(default_factory=threading.Event)
    prefilled: DynamicCache | None = None
    """Keys and values of the first `prefilled_tokens` of the prompt."""
    prefilled_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens found in the prefix cache."""


class Choice:
    """One choice of a request. It turns sampled tokens into deltas."""

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

    def add_token(self, token: int, logits: torch.Tensor) -> Delta | None:
        """Add a sampled token.

        Args:
            token: its id.
            logits: the model's logits it was sampled from.

        Returns:
            The new output, or None if no text is complete yet.
        """
        if token in self._end_ids:
            return self._delta(self._text.flush(), "stop")
        self._count += 1
        self.last_token = token
        logprobs = self._logprobs(token, logits)
        guide_ended = self.sampler.record(token)
        text, stopped = self._text.add(token)
        if stopped:
            return self._delta(text, "stop", logprobs)
        if guide_ended or self._count >= self.job.max_tokens:
            return self._delta(text + self._text.flush(), "stop" if guide_ended else "length", logprobs)
        return self._delta(text, None, logprobs) if text or logprobs else None

    def abort(self) -> Delta:
        """End the choice and return its last delta."""
        return self._delta(self._text.flush(), "stop")

    def _delta(self, text: str, reason: FinishReason | None, logprobs: tuple[TokenLogprob, ...] = ()) -> Delta:
        self.finished = reason is not None
        return Delta(text, len(self.job.prompt), self._count, reason, self._index, logprobs, self.job.cached_tokens)

    def _logprobs(self, token: int, logits: torch.Tensor) -> tuple[TokenLogprob, ...]:
        """Return log probabilities of the model's distribution, before temperature, penalties and guides."""
        requested = self.job.request.logprobs
        if requested is None:
            return ()
        ranked = logits.float().log_softmax(-1)
        top: tuple[TokenLogprob, ...] = ()
        if requested:
            values, ids = ranked.topk(min(requested, ranked.numel()))
            top = tuple(self._logprob(*pair) for pair in zip(ids.tolist(), values.tolist(), strict=True))
        return (self._logprob(token, float(ranked[token]), top),)

    def _logprob(self, token: int, logprob: float, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
        text, raw = self._tokens.piece(token)
        return TokenLogprob(text, logprob, raw, top)
