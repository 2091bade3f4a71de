"""The thread that runs the model, with continuous batching: choices join and leave the batch between forward passes.

transformers has continuous batching as well (`ContinuousBatchingManager`). It lacks seeds, guides, penalties, biases
and log probabilities per request, which the API promises.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Iterable

import torch
from transformers import PreTrainedModel

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.engines import Delta
from novacron_serving.engines.pytorch.choice import Choice, Job
from novacron_serving.engines.pytorch.config import PyTorchConfig
from novacron_serving.engines.pytorch.kv_cache import SlotCache
from novacron_serving.engines.pytorch.prefix_cache import PrefixCache
from novacron_serving.engines.pytorch.sampling import Sampler
from novacron_serving.engines.pytorch.weights import count_logits
from novacron_serving.engines.tokens import Tokens
from novacron_serving.errors import RequestError

log = logging.getLogger(__name__)


class Decoder:
    """Runs jobs of any thread, and puts their output into their queues."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokens: Tokens,
        end_ids: set[int],
        config: PyTorchConfig,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.failed = False
        """The thread has died. The process should be restarted."""
        self._model = model
        self._tokens = tokens
        self._end_ids = end_ids
        self._config = config
        self._clock = clock
        self._vocabulary = count_logits(model)
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._slots = SlotCache(config.max_concurrent_requests)
        self._prefixes = PrefixCache(config.prefix_cache_tokens)
        self._choices: list[Choice] = []
        """In the order of the cache's slots."""
        self._output: list[tuple[Job, Delta | Exception]] = []
        self._step_start_s: float | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)
        self._thread.start()

    # Called by other threads

    def submit(self, job: Job) -> None:
        """Queue a job. Raises `RequestError` once the decoder has stopped."""
        with self._changed:
            if self.failed or self._stopping:
                raise RequestError(503, "the engine has stopped", kind="server_error", code="engine_dead")
            self._waiting.append(job)
            self._changed.notify()

    def cancel(self, job: Job) -> None:
        """Cancel a job that no client waits for any more."""
        job.cancelled.set()
        with self._changed:
            self._changed.notify()

    def load(self) -> tuple[int, int, int]:
        """Return the number of running requests, of waiting requests, and of tokens in the batch."""
        running = {id(choice.job) for choice in list(self._choices)}
        return len(running), len(self._waiting), sum(list(self._slots.lengths))

    def healthy(self) -> bool:
        """Return False once the thread has died, or while a step exceeds the time limit."""
        start_s = self._step_start_s
        hangs = start_s is not None and self._clock.monotonic() - start_s > self._config.hung_after_s
        return not self.failed and self._thread.is_alive() and not hangs

    def stop(self, timeout_s: float = 5) -> None:
        """Stop the thread. Unfinished jobs get an error."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)

    # Runs in the decoder's thread

    def _run(self) -> None:
        try:
            with torch.inference_mode():
                while self._wait():
                    self._drop_cancelled()
                    self._prefill()
                    self._deliver()
                    if self._choices:
                        self._decode()
                        self._deliver()
                    self._step_start_s = None
        except Exception as error:  # the model, the device or the memory is in an unknown state
            log.exception("the engine has died")
            self._end(RequestError(503, f"the engine has died: {error}", kind="server_error", code="engine_dead"))
        else:
            self._end(RequestError(503, "the worker is stopping", kind="server_error", code="engine_dead"))

    def _wait(self) -> bool:
        """Wait for work. Return False when the thread should stop."""
        with self._changed:
            while not (self._stopping or self._waiting or self._choices):
                self._changed.wait()
            return not self._stopping

    def _end(self, error: RequestError) -> None:
        with self._changed:
            self.failed = True
            jobs = [*{id(choice.job): choice.job for choice in self._choices}.values(), *self._waiting]
            self._waiting.clear()
        self._choices.clear()
        self._output += [(job, error) for job in jobs]
        self._deliver()
        self._step_start_s = None

    def _drop_cancelled(self) -> None:
        for choice in [choice for choice in self._choices if choice.job.cancelled.is_set()]:
            self._output.append((choice.job, choice.abort()))
        self._remove_finished()
        with self._changed:
            cancelled = [job for job in self._waiting if job.cancelled.is_set()]
            for job in cancelled:
                self._waiting.remove(job)
        self._output += [
            (job, Delta("", len(job.prompt), 0, "stop", index)) for job in cancelled for index in range(job.request.n)
        ]

    def _prefill(self) -> None:
        """Compute prompt tokens of waiting jobs. A job whose prompt is complete joins the batch."""
        budget = self._config.prefill_step_tokens
        while budget > 0 and self._waiting:
            job = self._waiting[0]
            if len(self._choices) + job.request.n > self._config.max_concurrent_requests:
                return
            if job.prefilled is None:
                job.prefilled, job.cached_tokens = self._prefixes.find(job.prompt)
                job.prefilled_tokens = job.cached_tokens
            piece = job.prompt[job.prefilled_tokens : job.prefilled_tokens + budget]
            self._step_start_s = self._clock.monotonic()
            try:
                output = self._model(
                    input_ids=torch.tensor([piece], device=self._model.device),
                    past_key_values=job.prefilled,
                    use_cache=True,
                    logits_to_keep=1,
                )
            except torch.OutOfMemoryError as error:
                self._reject(job, error)
                continue
            budget -= len(piece)
            job.prefilled_tokens += len(piece)
            if job.prefilled_tokens == len(job.prompt):
                self._join(job, output.logits[0, -1])

    def _reject(self, job: Job, error: Exception) -> None:
        with self._changed:
            self._waiting.remove(job)
        job.prefilled = None
        message = f"not enough memory for this prompt: {error}"
        self._output.append((job, RequestError(503, message, kind="server_error", code="overloaded")))

    def _join(self, job: Job, logits: torch.Tensor) -> None:
        choices = [
            Choice(job, index, self._tokens, self._end_ids, self._sampler(job, index)) for index in range(job.request.n)
        ]
        # The choices are added before the job leaves the queue, so that `load` always counts it.
        assert job.prefilled is not None  # noqa: S101 - the prompt is complete
        self._slots.join(job.prefilled, len(choices))
        self._prefixes.put(job.prompt, job.prefilled)
        job.prefilled = None
        self._choices += choices
        with self._changed:
            self._waiting.popleft()
        self._sample(choices, logits[None].expand(len(choices), -1))

    def _sampler(self, job: Job, index: int) -> Sampler:
        matcher = job.matcher.copy() if job.matcher is not None else None
        return Sampler(
            job.request.sampling, job.prompt, self._vocabulary, self._model.device, matcher, index, job.max_tokens,
            (job.request.min_tokens, self._end_ids),
        )  # fmt: skip

    def _decode(self) -> None:
        self._step_start_s = self._clock.monotonic()
        tokens = [choice.last_token for choice in self._choices]
        self._sample(self._choices, self._slots.step(self._model, tokens))

    def _sample(self, choices: list[Choice], logits: torch.Tensor) -> None:
        """Sample the next token of each choice."""
        sampled = logits.argmax(-1)
        for at, choice in enumerate(choices):
            if not choice.sampler.is_plain_greedy:
                try:
                    sampled[at] = choice.sampler.sample(logits[at])
                except Exception as error:  # noqa: BLE001 - a failed guide or distribution affects this request only
                    self._fail(choice, error)
        for at, (choice, token) in enumerate(zip(choices, sampled.tolist(), strict=True)):
            if not choice.finished and (delta := choice.add_token(token, logits[at])) is not None:
                self._output.append((choice.job, delta))
        self._remove_finished()

    def _fail(self, choice: Choice, error: Exception) -> None:
        choice.finished = True
        if not isinstance(error, RequestError):
            log.error("request %s failed: %s", choice.job.request.request_id, error)
            error = RequestError(500, f"sampling failed: {error}", kind="server_error")
        choice.job.cancelled.set()
        self._output.append((choice.job, error))

    def _remove_finished(self) -> None:
        for slot in range(len(self._choices) - 1, -1, -1):
            if self._choices[slot].finished:
                self._slots.leave(slot)
                last = self._choices.pop()
                if slot < len(self._choices):
                    self._choices[slot] = last

    def _deliver(self) -> None:
        output, self._output = self._output, []
        loops: dict[asyncio.AbstractEventLoop, list[tuple[Job, Delta | Exception]]] = {}
        for item in output:
            loops.setdefault(item[0].loop, []).append(item)
        for loop, items in loops.items():
            try:
                loop.call_soon_threadsafe(_put, items)
            except RuntimeError:  # the loop is closed, so no client waits
                log.debug("discarded output for a closed event loop")


def _put(items: Iterable[tuple[Job, Delta | Exception]]) -> None:
    for job, item in items:
        job.queue.put_nowait(item)
