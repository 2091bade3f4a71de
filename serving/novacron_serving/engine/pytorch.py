"""The PyTorch engine: any Hugging Face causal language model with a chat template, on CPU or CUDA."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from novacron_serving.engine import ChatPrompt, Delta, EngineStats, GenerationRequest, Sampling
from novacron_serving.engine.detokenizer import Detokenizer
from novacron_serving.errors import StartError, invalid, overloaded

HUNG_AFTER_S = 60.0
"""A token step that takes longer is taken for a hang."""


class PyTorchConfig(BaseModel):
    """Settings of the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["pytorch"] = "pytorch"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    threads: int = Field(default=1, ge=1)
    max_concurrent_requests: int = Field(default=8, ge=1)
    max_waiting_requests: int = Field(default=64, ge=0)
    max_context_tokens: int | None = Field(default=None, ge=16)
    """At most the model's own; `None` for just that."""


@dataclass(slots=True)
class _Job:
    request: GenerationRequest
    prompt: list[int]
    max_tokens: int
    queue: asyncio.Queue[Delta | Exception]
    cancelled: threading.Event = field(default_factory=threading.Event)


class PyTorchEngine:
    """Decodes several requests at once, each in a thread; PyTorch's kernels run without the interpreter lock."""

    def __init__(self, model_path: Path, config: PyTorchConfig) -> None:
        self._path = model_path
        self._config = config
        self.max_concurrent_requests = config.max_concurrent_requests
        self.max_context_tokens = 0
        self._model: Any = None
        self._tokenizer: Any = None
        self._jobs: dict[str, _Job] = {}
        self._running = 0
        self._steps: dict[str, float] = {}
        self._threads = ThreadPoolExecutor(config.max_concurrent_requests, thread_name_prefix="generate")
        self._slots = asyncio.Semaphore(config.max_concurrent_requests)

    async def load(self) -> None:
        """Read the model; raises `StartError` naming what is missing."""
        if not (self._path / "config.json").is_file():
            raise StartError(f"model.path {str(self._path)!r} holds no config.json; name a Hugging Face model folder")
        await asyncio.get_running_loop().run_in_executor(None, self._load)

    def _load(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(self._config.threads)
        device = self._config.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda" and not torch.cuda.is_available():
            raise StartError("engine.device is 'cuda', but PyTorch sees no CUDA device; use 'cpu' or 'auto'")
        dtype = self._config.dtype
        if dtype == "auto":
            dtype = "bfloat16" if device == "cuda" else "float32"
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(self._path, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(self._path, dtype=getattr(torch, dtype), local_files_only=True)
        except Exception as error:  # broken weights and configurations raise what they like
            reason = " ".join(str(error).split())[:500] or type(error).__name__
            raise StartError(f"model.path {str(self._path)!r} cannot be loaded: {reason}") from error
        if not self._tokenizer.chat_template:
            raise StartError(f"model.path {str(self._path)!r} has no chat template; the chat API needs one")
        self._model = cast("Any", model).to(device).eval()
        own = int(self._model.config.max_position_embeddings)
        self.max_context_tokens = min(own, self._config.max_context_tokens or own)
        with torch.inference_mode():  # the first pass allocates; no user should wait for it
            self._model(torch.tensor([[0]], device=self._model.device))

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """The answer, piece by piece."""
        if len(self._jobs) >= self.max_concurrent_requests + self._config.max_waiting_requests:
            raise overloaded("every place is taken and the queue is full; try again in a moment")
        prompt = self._prompt(request)
        room = self.max_context_tokens - len(prompt)
        if room < 1:
            raise invalid(
                f"messages: {len(prompt)} tokens do not fit the context of {self.max_context_tokens}; shorten them",
                param="messages",
                code="context_length_exceeded",
            )
        job = _Job(request, prompt, min(request.max_tokens or room, room), asyncio.Queue())
        self._jobs[request.request_id] = job
        try:
            async with self._slots:
                self._running += 1
                loop = asyncio.get_running_loop()
                ending = loop.run_in_executor(self._threads, self._decode, job, loop)
                ending.add_done_callback(self._ended)  # a cancelled request may never come past an await again
                try:
                    while True:
                        item = await job.queue.get()
                        if isinstance(item, Exception):
                            raise item
                        yield item
                        if item.finish_reason is not None:
                            return
                finally:
                    job.cancelled.set()
                    await asyncio.shield(ending)
        finally:
            self._jobs.pop(request.request_id, None)

    def _ended(self, ending: asyncio.Future[None]) -> None:
        del ending
        self._running -= 1

    def _prompt(self, request: GenerationRequest) -> list[int]:
        prompt = request.prompt
        if not isinstance(prompt, ChatPrompt):
            return list(prompt.tokens) or self._tokenizer.encode(prompt.text)
        roles = {"developer": "system"}
        messages = [{"role": roles.get(m.role, m.role), "content": m.text} for m in prompt.messages]
        try:
            return self._tokenizer.apply_chat_template(
                messages,
                add_generation_prompt=True,
                return_dict=False,
                sanitize_control_tokens=True,  # a message that spells "<|end|>" ends no turn
            )
        except Exception as error:
            raise invalid(f"messages: the model's chat template refuses them: {error}", param="messages") from error

    def _decode(self, job: _Job, loop: asyncio.AbstractEventLoop) -> None:
        """One request, token by token, in a thread."""

        def put(item: Delta | Exception) -> None:
            loop.call_soon_threadsafe(job.queue.put_nowait, item)

        try:
            for delta in self._tokens(job):
                put(delta)
        except Exception as error:  # noqa: BLE001 - handed to the request that it belongs to
            put(error)
        finally:
            self._steps.pop(job.request.request_id, None)

    def _tokens(self, job: _Job) -> Any:
        import torch

        request = job.request
        device = self._model.device
        generator = torch.Generator(device=device)
        if request.sampling.seed is not None:
            generator.manual_seed(request.sampling.seed % 2**63)
        else:
            generator.seed()
        ends = self._model.generation_config.eos_token_id
        end_ids = set(ends if isinstance(ends, list) else [ends])
        ids = torch.tensor([job.prompt], device=device)
        cache: Any = None
        produced: list[int] = []
        text = Detokenizer(self._decode_tokens, request.stops)
        with torch.inference_mode():
            while not job.cancelled.is_set():
                self._steps[request.request_id] = time.monotonic()
                output = self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
                cache = output.past_key_values
                token = _sample(output.logits[0, -1].float(), request.sampling, generator)
                if token in end_ids:
                    yield Delta(text.rest(), len(job.prompt), len(produced), "stop")
                    return
                produced.append(token)
                new, stopped = text.add(token)
                if stopped or len(produced) >= job.max_tokens:
                    tail = new if stopped else new + text.rest()
                    yield Delta(tail, len(job.prompt), len(produced), "stop" if stopped else "length")
                    return
                if new:
                    yield Delta(new, len(job.prompt), len(produced))
                ids = torch.tensor([[token]], device=device)
        yield Delta(text.rest(), len(job.prompt), len(produced), "stop")  # aborted: whoever still reads gets an end

    def _decode_tokens(self, tokens: Sequence[int]) -> str:
        # Cleaning would change text that was shown before: "word ," to "word,".
        return self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def abort(self, request_id: str) -> None:
        """Stop generating."""
        if job := self._jobs.get(request_id):
            job.cancelled.set()

    def stats(self) -> EngineStats:
        """The present load; the cache's share counts whole contexts in use."""
        return EngineStats(
            running_requests=self._running,
            waiting_requests=max(0, len(self._jobs) - self._running),
            kv_cache_utilization=min(1.0, self._running / self.max_concurrent_requests),
        )

    def healthy(self) -> bool:
        """False while a step takes longer than any should."""
        now = time.monotonic()
        return self._model is not None and all(now - began < HUNG_AFTER_S for began in list(self._steps.values()))

    async def unload(self) -> None:
        """Stop everything and drop the model."""
        for job in self._jobs.values():
            job.cancelled.set()
        self._threads.shutdown(wait=False)
        self._model = None


def _sample(logits: Any, sampling: Sampling, generator: Any) -> int:
    import torch

    if sampling.temperature == 0:
        return int(logits.argmax())
    logits = logits / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < logits.numel():
        kept, order = logits.topk(sampling.top_k)
        logits = torch.full_like(logits, -torch.inf).scatter(0, order, kept)
    probabilities = torch.softmax(logits, dim=-1)
    if sampling.top_p < 1:
        ranked, order = probabilities.sort(descending=True)
        ranked[ranked.cumsum(-1) - ranked > sampling.top_p] = 0
        probabilities = torch.zeros_like(probabilities).scatter(0, order, ranked)
    return int(torch.multinomial(probabilities, 1, generator=generator))
