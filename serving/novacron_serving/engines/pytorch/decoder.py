"""The thread that runs the model: one forward pass for all answers under way, which join and leave between passes.

transformers has continuous batching of its own (`ContinuousBatchingManager`), with temperature, top-k and top-p of each
request; it has no seeds, guides, penalties, biases and log probabilities of each request, which the API promises.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import torch

from novacron_serving.engines import Delta
from novacron_serving.engines.pytorch.answer import Answer, Job
from novacron_serving.engines.pytorch.cache import RowCache
from novacron_serving.engines.pytorch.config import PyTorchConfig
from novacron_serving.engines.pytorch.prefixes import PrefixCache
from novacron_serving.engines.pytorch.sampling import Sampler
from novacron_serving.engines.tokens import Tokens
from novacron_serving.errors import RequestError

log = logging.getLogger(__name__)


class Decoder:
    """Takes jobs from any thread, and answers them into their queues."""

    def __init__(self, model: Any, tokens: Tokens, end_ids: set[int], config: PyTorchConfig) -> None:
        self.failed = False
        """It has died; the process should be restarted."""
        self._model = model
        self._tokens = tokens
        self._end_ids = end_ids
        self._config = config
        self._vocabulary: int = model.get_output_embeddings().weight.shape[0]
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._rows = RowCache(config.max_concurrent_requests)
        self._prefixes = PrefixCache(config.prefix_cache_tokens)
        self._answers: list[Answer] = []
        """In the order of the cache's rows."""
        self._said: list[tuple[Job, Delta | Exception]] = []
        self._step_began_s: float | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)
        self._thread.start()

    # asked from other threads

    def submit(self, job: Job) -> None:
        """Answer this."""
        with self._changed:
            if self.failed or self._stopping:
                raise RequestError(503, "the engine has stopped", kind="server_error", code="engine_dead")
            self._waiting.append(job)
            self._changed.notify()

    def cancel(self, job: Job) -> None:
        """Nobody waits for it any more."""
        job.cancelled.set()
        with self._changed:
            self._changed.notify()

    def load(self) -> tuple[int, int, int]:
        """Requests that run, requests that wait, tokens in the cache."""
        running = {id(answer.job) for answer in list(self._answers)}
        return len(running), len(self._waiting), sum(list(self._rows.lengths))

    def healthy(self) -> bool:
        """False once it has died, or while a step takes longer than any should."""
        began_s = self._step_began_s
        hangs = began_s is not None and time.monotonic() - began_s > self._config.hung_after_s
        return not self.failed and self._thread.is_alive() and not hangs

    def stop(self, timeout_s: float = 5) -> None:
        """End the thread; what is under way gets an error."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)

    # its own thread

    def _run(self) -> None:
        try:
            with torch.inference_mode():
                while self._wait():
                    self._drop_cancelled()
                    self._prefill()
                    self._deliver()
                    if self._answers:
                        self._decode()
                        self._deliver()
                    self._step_began_s = None
        except Exception as error:  # the model, the device or the memory: nothing here can be trusted any more
            log.exception("the engine has died")
            self._end(RequestError(503, f"the engine has died: {error}", kind="server_error", code="engine_dead"))
        else:
            self._end(RequestError(503, "the worker stops", kind="server_error", code="engine_dead"))

    def _wait(self) -> bool:
        """Until there is something to do; false: it is to stop."""
        with self._changed:
            while not (self._stopping or self._waiting or self._answers):
                self._changed.wait()
            return not self._stopping

    def _end(self, error: RequestError) -> None:
        with self._changed:
            self.failed = True
            jobs = [*{id(answer.job): answer.job for answer in self._answers}.values(), *self._waiting]
            self._waiting.clear()
        self._answers.clear()
        self._said += [(job, error) for job in jobs]
        self._deliver()
        self._step_began_s = None

    def _drop_cancelled(self) -> None:
        for answer in [answer for answer in self._answers if answer.job.cancelled.is_set()]:
            self._said.append((answer.job, answer.cut()))
        self._remove_finished()
        with self._changed:
            gone = [job for job in self._waiting if job.cancelled.is_set()]
            for job in gone:
                self._waiting.remove(job)
        self._said += [
            (job, Delta("", len(job.prompt), 0, "stop", index)) for job in gone for index in range(job.request.n)
        ]

    def _prefill(self) -> None:
        """Some prompt tokens of those who wait; whose prompt is done, joins."""
        budget = self._config.prefill_step_tokens
        while budget > 0 and self._waiting:
            job = self._waiting[0]
            if len(self._answers) + job.request.n > self._config.max_concurrent_requests:
                return
            if job.prefilled is None:
                job.prefilled, job.cached_tokens = self._prefixes.find(job.prompt)
                job.prefilled_tokens = job.cached_tokens
            piece = job.prompt[job.prefilled_tokens : job.prefilled_tokens + budget]
            self._step_began_s = time.monotonic()
            try:
                output = self._model(
                    input_ids=torch.tensor([piece], device=self._model.device),
                    past_key_values=job.prefilled,
                    use_cache=True,
                    logits_to_keep=1,
                )
            except torch.OutOfMemoryError as error:
                self._refuse(job, error)
                continue
            budget -= len(piece)
            job.prefilled_tokens += len(piece)
            if job.prefilled_tokens == len(job.prompt):
                self._join(job, output.logits[0, -1])

    def _refuse(self, job: Job, error: Exception) -> None:
        with self._changed:
            self._waiting.remove(job)
        job.prefilled = None
        message = f"there is no memory for this prompt: {error}"
        self._said.append((job, RequestError(503, message, kind="server_error", code="overloaded")))

    def _join(self, job: Job, logits: Any) -> None:
        answers = [
            Answer(job, index, self._tokens, self._end_ids, self._sampler(job, index)) for index in range(job.request.n)
        ]
        # Answers are added before the job leaves the queue: whoever asks for the load meets it somewhere.
        self._rows.join(job.prefilled, len(answers))
        self._prefixes.keep(job.prompt, job.prefilled)
        job.prefilled = None
        self._answers += answers
        with self._changed:
            self._waiting.popleft()
        self._take(answers, logits[None].expand(len(answers), -1))

    def _sampler(self, job: Job, index: int) -> Sampler:
        matcher = job.matcher.copy() if job.matcher is not None else None
        return Sampler(
            job.request.sampling, job.prompt, self._vocabulary, self._model.device, matcher, index, job.max_tokens,
            (job.request.min_tokens, self._end_ids),
        )  # fmt: skip

    def _decode(self) -> None:
        self._step_began_s = time.monotonic()
        self._take(self._answers, self._rows.step(self._model, [answer.last_token for answer in self._answers]))

    def _take(self, answers: list[Answer], logits: Any) -> None:
        """Choose each answer's next token."""
        chosen = logits.argmax(-1)
        for at, answer in enumerate(answers):
            if not answer.sampler.takes_the_likeliest:
                try:
                    chosen[at] = answer.sampler.choose(logits[at])
                except Exception as error:  # noqa: BLE001 - a guide or a distribution that fails is this request's alone
                    self._fail(answer, error)
        for at, (answer, token) in enumerate(zip(answers, chosen.tolist(), strict=True)):
            if not answer.finished and (delta := answer.take(token, logits[at])) is not None:
                self._said.append((answer.job, delta))
        self._remove_finished()

    def _fail(self, answer: Answer, error: Exception) -> None:
        answer.finished = True
        if not isinstance(error, RequestError):
            log.error("%s failed: %s", answer.job.request.request_id, error)
            error = RequestError(500, f"the answer could not be sampled: {error}", kind="server_error")
        answer.job.cancelled.set()
        self._said.append((answer.job, error))

    def _remove_finished(self) -> None:
        for row in range(len(self._answers) - 1, -1, -1):
            if self._answers[row].finished:
                self._rows.leave(row)
                last = self._answers.pop()
                if row < len(self._answers):
                    self._answers[row] = last

    def _deliver(self) -> None:
        said, self._said = self._said, []
        loops: dict[asyncio.AbstractEventLoop, list[tuple[Job, Delta | Exception]]] = {}
        for item in said:
            loops.setdefault(item[0].loop, []).append(item)
        for loop, items in loops.items():
            try:
                loop.call_soon_threadsafe(_put, items)
            except RuntimeError:  # the loop is closed: nobody waits
                log.debug("an answer came after its loop had ended")


def _put(items: Iterable[tuple[Job, Delta | Exception]]) -> None:
    for job, item in items:
        job.queue.put_nowait(item)
