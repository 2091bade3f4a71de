"""Implements the engine interface with PyTorch: loads the model, admits requests and returns their output."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.engines import ChatPrompt, Delta, EngineStats, GenerationRequest, TextPrompt
from novacron_serving.engines.limits import prompt_too_long
from novacron_serving.engines.pytorch.choice import Job
from novacron_serving.engines.pytorch.config import PyTorchConfig
from novacron_serving.engines.pytorch.guides import Guides
from novacron_serving.engines.tokens import Tokens
from novacron_serving.errors import RequestError, StartError, invalid, one_line, overloaded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from novacron_serving.engines.pytorch.decoder import Decoder

LONG_PROMPT_CHARACTERS = 20_000
"""Longer prompts are tokenised in a thread. That takes milliseconds, and would delay other requests."""


class PyTorchEngine:
    """An engine with continuous batching. It does not support adapters."""

    def __init__(self, model_path: Path, config: PyTorchConfig, clock: Clock = SYSTEM_CLOCK) -> None:
        self._path = model_path
        self._config = config
        self._clock = clock
        self.max_concurrent_requests = config.max_concurrent_requests
        self.max_context_tokens = 0
        self.dtype: str = config.dtype
        """The dtype of computations. `auto` until the model is loaded."""
        self._vocabulary = 0
        self._tokens: Tokens | None = None
        self._guides: Guides | None = None
        self._decoder: Decoder | None = None
        self._jobs: dict[str, Job] = {}

    async def load(self) -> None:
        """Load the model. Raises `StartError`."""
        if not (self._path / "config.json").is_file():
            raise StartError(f"model.path {str(self._path)!r} has no config.json; give a Hugging Face model folder")
        await asyncio.get_running_loop().run_in_executor(None, self._load)

    def _load(self) -> None:
        import torch

        from novacron_serving.engines.pytorch.decoder import Decoder
        from novacron_serving.engines.pytorch.weights import count_logits, load_model, resolve_dtype

        torch.set_num_threads(self._config.threads)
        device = self._config.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cuda" and not torch.cuda.is_available():
            raise StartError("engine.device is 'cuda', but PyTorch sees no CUDA device; use 'cpu' or 'auto'")
        self.dtype = resolve_dtype(self._config.dtype, device)
        try:
            self._tokens = Tokens.load(self._path, chat_template=self._config.chat_template)
            model = load_model(self._path, self.dtype, device, self._config.quantization)
            _warm_up(model)
        except StartError:
            raise
        except Exception as error:  # broken files raise all kinds of errors
            raise StartError(f"model.path {str(self._path)!r} cannot be loaded: {one_line(error)}") from error
        own = int(model.config.get_text_config().max_position_embeddings)
        self.max_context_tokens = min(own, self._config.max_context_tokens or own)
        ends = model.generation_config.eos_token_id
        end_ids: list[int] = [ends] if isinstance(ends, int) else list(ends or ())
        self._vocabulary = count_logits(model)
        self._guides = Guides(self._tokens.tokenizer, self._vocabulary, end_ids)
        self._decoder = Decoder(model, self._tokens, set(end_ids), self._config, self._clock)

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """Generate completions."""
        assert self._decoder is not None  # noqa: S101 - it was loaded
        job = await self._admit(request)
        unfinished = request.n
        try:
            self._decoder.submit(job)
            while unfinished:
                item = await job.queue.get()
                if isinstance(item, Exception):
                    raise item
                unfinished -= item.finish_reason is not None
                yield item
        finally:
            self._jobs.pop(request.request_id, None)
            if unfinished:
                self._decoder.cancel(job)

    async def _admit(self, request: GenerationRequest) -> Job:
        """Check a request and turn it into a job. Raises `RequestError`."""
        assert self._tokens is not None  # noqa: S101 - it was loaded
        assert self._guides is not None  # noqa: S101 - it was loaded
        if len(self._jobs) >= self.max_concurrent_requests + self._config.max_waiting_requests:
            raise overloaded("all slots are in use and the queue is full; try again in a moment")
        if request.adapter is not None:
            message = f"adapter {request.adapter!r} does not exist: this engine does not support adapters"
            raise RequestError(404, message, kind="invalid_request_error", param="model", code="model_not_found")
        if request.n > self.max_concurrent_requests:
            raise invalid(
                f"n is {request.n}; this worker generates at most {self.max_concurrent_requests} choices at a time", "n"
            )
        if wrong := [token for token in request.sampling.logit_bias if not 0 <= token < self._vocabulary]:
            raise invalid(
                f"logit_bias: {wrong[0]} is not a token id; ids are 0 to {self._vocabulary - 1}", param="logit_bias"
            )
        prompt = await self._encode(request.prompt)
        field = "messages" if isinstance(request.prompt, ChatPrompt) else "prompt"
        room = self.max_context_tokens - len(prompt)
        if not prompt:
            raise invalid(f"{field}: must not be empty; give at least one token", param=field)
        if room < 1:
            raise prompt_too_long(field, len(prompt), self.max_context_tokens)
        job = Job(request, prompt, min(request.max_tokens or room, room), matcher=None, loop=asyncio.get_running_loop())
        self._jobs[request.request_id] = job
        if request.guide is not None:  # compiling a large schema takes a while
            try:
                job.matcher = await asyncio.to_thread(self._guides.make_matcher, request.guide)
            except BaseException:
                self._jobs.pop(request.request_id, None)
                raise
        return job

    async def _encode(self, prompt: ChatPrompt | TextPrompt) -> list[int]:
        assert self._tokens is not None  # noqa: S101 - it was loaded
        if isinstance(prompt, TextPrompt):
            characters = len(prompt.text)
        else:
            characters = sum(len(message.text) for message in prompt.messages)
        if characters < LONG_PROMPT_CHARACTERS:
            return self._tokens.encode(prompt)
        return await asyncio.to_thread(self._tokens.encode, prompt)

    def abort(self, request_id: str) -> None:
        """Stop generating."""
        if (job := self._jobs.get(request_id)) and self._decoder is not None:
            self._decoder.cancel(job)

    def stats(self) -> EngineStats:
        """Return the load. The capacity is that of the prefix cache; the utilization is that of the running batch."""
        capacity = self.max_concurrent_requests * self.max_context_tokens
        if self._decoder is None:
            return EngineStats(0, 0, 0.0, self._config.prefix_cache_tokens)
        running, waiting, tokens = self._decoder.load()
        return EngineStats(running, waiting, min(1.0, tokens / capacity), self._config.prefix_cache_tokens)

    def healthy(self) -> bool:
        """Return whether the model is loaded, and the decoder is alive and does not hang."""
        return self._decoder is not None and self._decoder.healthy()

    async def unload(self) -> None:
        """Stop all requests and unload the model."""
        if self._decoder is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._decoder.stop)
        self._decoder = None


def _warm_up(model: PreTrainedModel) -> None:
    """Run the model once, so that allocations do not delay the first request.

    Raises:
        StartError: the model has layers without a key-value cache.
    """
    import torch
    from transformers import DynamicCache

    cache = DynamicCache()
    with torch.inference_mode():
        model(input_ids=torch.tensor([[0]], device=model.device), past_key_values=cache, use_cache=True)
    if not cache.layers or any(getattr(layer, "keys", None) is None for layer in cache.layers):
        raise StartError("the model has layers without a key-value cache; this engine supports attention layers only")
