"""The TensorRT-LLM engine: `LLM.generate_async` behind the engine interface."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from novacron_serving.engines import Delta, EngineStats, GenerationRequest
from novacron_serving.engines.tensorrt_llm.admission import check_request, room
from novacron_serving.engines.tensorrt_llm.answer import Answer
from novacron_serving.engines.tensorrt_llm.arguments import (
    SEEDS,
    build,
    disaggregated,
    llm_arguments,
    lora_request,
    sampling_arguments,
)
from novacron_serving.engines.tensorrt_llm.config import DraftModel, Eagle3, TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.health import Pulse, executor_died
from novacron_serving.engines.tensorrt_llm.launch import NO_TELEMETRY
from novacron_serving.engines.tensorrt_llm.quantization import architecture_of, check_checkpoint
from novacron_serving.engines.tokens import Tokens
from novacron_serving.errors import RequestError, StartError, invalid, overloaded

IMAGE = "nvcr.io/nvidia/tensorrt-llm/release"
HOMES = ("tensorrt_llm.llmapi", "tensorrt_llm.lora_helper", "tensorrt_llm._torch.peft.lora.config")
"""Where the library's classes are; `LoraConfig` moved from the second to the third after 1.2."""
POLL_S = 1.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    """A request under way."""

    queue: asyncio.Queue[Delta | Exception] = field(default_factory=asyncio.Queue[Delta | Exception])
    results: list[Any] = field(default_factory=list[Any])
    answers: list[Answer] = field(default_factory=list[Answer])
    readers: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    aborted: bool = False


class TensorRtLlmEngine:
    """Batches requests on GPUs. Of several answers to one prompt each is a request of its own.

    In 1.2 one request of several answers ends all of them at the first one's stop, names the reason of the last one
    only (`tensorrt_llm/executor/result.py`), and is refused when it samples greedily. The prompt is computed for each
    of them either way, unless its blocks are in the cache.
    """

    def __init__(self, model_path: Path, config: TensorRtLlmConfig) -> None:
        self.max_concurrent_requests = config.max_concurrent_requests
        self.max_context_tokens = 0
        self._path = model_path
        self._config = config
        self._llm: Any = None
        self._tokens: Any = None
        self._vocabulary = 0
        self._runs: dict[str, _Run] = {}
        self._pulse = Pulse(config.unhealthy_after_s)
        self._row: dict[str, Any] = {}
        self._polling: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Read the model; raises `StartError` naming what is missing."""
        if not (self._path / "config.json").is_file():
            raise StartError(f"model.path {str(self._path)!r} holds no config.json; name a Hugging Face model folder")
        await asyncio.get_running_loop().run_in_executor(None, self._load)
        if self._config.iteration_stats:
            self._polling = asyncio.create_task(self._poll())

    def _load(self) -> None:
        library = _library()
        try:
            own, self._vocabulary = _limits(self._path)
            self.max_context_tokens = min(own, self._config.max_context_tokens or own)
            self._config.check_transfer_buffer(self.max_context_tokens)
            architecture = self._config.gpu_architecture or architecture_of(_capability())
            weights = check_checkpoint(self._path, self._config.quantization, architecture)
            _check_folders(self._config)
        except ValueError as error:
            raise StartError(f"TensorRT-LLM cannot serve model.path {str(self._path)!r}: {error}") from error
        log.info("%s weights for %s", weights.value, architecture.value)
        self._tokens = Tokens.load(self._path, trust_remote_code=self._config.trust_remote_code)
        arguments = llm_arguments(self._config, self._path, self.max_context_tokens)
        try:
            self._llm = library.LLM(**{name: build(value, _class) for name, value in arguments.items()})
        except Exception as error:  # no memory, no GPU, broken weights: each raises what it likes
            raise StartError(f"TensorRT-LLM cannot load model.path {str(self._path)!r}: {_reason(error)}") from error

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """The answers, piece by piece; closing the iterator aborts what is left of them."""
        self._admit(request)
        handed = request.handed_over
        prompt = list(handed.prompt) if handed else self._tokens.encode(request.prompt)
        free = room(request, len(prompt), self.max_context_tokens, self._config)
        max_tokens = min(request.max_tokens or free, free)
        if max_tokens == 1:  # the first token is the whole answer: nothing is left to hand over
            request = replace(request, hands_over=False)
        run = self._runs[request.request_id] = _Run()
        try:
            self._submit(run, request, prompt, max_tokens)
            open_answers = request.n
            while open_answers:
                item = await run.queue.get()
                if isinstance(item, Exception):
                    raise item
                open_answers -= item.finish_reason is not None or item.hand_over is not None
                yield item
        finally:
            self._runs.pop(request.request_id, None)
            self._release(run)

    def _admit(self, request: GenerationRequest) -> None:
        """Raises `RequestError` for what cannot be served now, or here."""
        if self._pulse.death is not None:
            raise RequestError(503, f"the engine is dead: {self._pulse.death}", kind="server_error", code="engine_dead")
        if self._pulse.running + request.n > self.max_concurrent_requests + self._config.max_waiting_requests:
            raise overloaded("every place is taken and the queue is full; try again in a moment")
        check_request(request, self._config, self._vocabulary)

    def _submit(self, run: _Run, request: GenerationRequest, prompt: list[int], max_tokens: int) -> None:
        seed = secrets.randbelow(SEEDS) if request.sampling.seed is None else request.sampling.seed
        adapter = build(lora_request(self._config.lora, request.adapter) if request.adapter else None, _class)
        try:
            for index in range(request.n):
                arguments = sampling_arguments(request, max_tokens, seed + index)
                sampling = {name: build(value, _class) for name, value in arguments.items()}
                if request.sampling.logit_bias:
                    sampling["embedding_bias"] = _bias(request.sampling.logit_bias, self._vocabulary)
                run.results.append(
                    self._llm.generate_async(
                        prompt,
                        sampling_params=_class("SamplingParams")(**sampling),
                        lora_request=adapter,
                        streaming=not request.hands_over,
                        disaggregated_params=build(disaggregated(request), _class),
                    )
                )
                self._pulse.begin()
                run.answers.append(Answer(request, index, len(prompt), self._tokens))
        except (ValueError, TypeError) as error:
            raise invalid(f"the engine refuses the request: {error}") from error
        except Exception as error:
            raise self._failure(request, error) from error
        run.readers += [
            asyncio.create_task(self._read(run, request, result, answer))
            for result, answer in zip(run.results, run.answers, strict=True)
        ]

    async def _read(self, run: _Run, request: GenerationRequest, result: Any, answer: Answer) -> None:
        try:
            async for output in result:
                self._pulse.beat()
                delta = _taken(answer, output)
                if delta is not None:
                    run.queue.put_nowait(delta)
                if answer.finished:
                    return
            raise RequestError(503, "the engine ended the answer early; try again", kind="server_error")
        except RequestError as error:
            run.queue.put_nowait(error)
        except Exception as error:  # noqa: BLE001 - handed to the request that it belongs to
            run.queue.put_nowait(self._failure(request, error))

    def _failure(self, request: GenerationRequest, error: Exception) -> RequestError:
        """What the client is told. The library shuts its executor down before it raises what ended it."""
        reason = _reason(error)
        if executor_died(self._llm):
            log.error("the engine is dead: %s", reason)
            self._pulse.death = self._pulse.death or reason
            return RequestError(503, f"the engine died: {reason}", kind="server_error", code="engine_dead")
        if isinstance(error, _class("RequestError")) and request.guide is not None:
            return invalid(f"response_format: the engine refuses it: {reason}", param="response_format")
        log.error("the engine failed on request %s: %s", request.request_id, reason)
        return RequestError(500, f"the engine failed on this request: {reason}", kind="server_error")

    def _release(self, run: _Run) -> None:
        """Nothing is read of a result once it is aborted: with log probabilities that may raise (#10810)."""
        for reader in run.readers:
            reader.cancel()
        for _ in run.answers:
            self._pulse.end()
        if run.aborted or self._pulse.death is not None:
            return
        for result in run.results:
            _abort(result)

    def abort(self, request_id: str) -> None:
        """Stop generating; whoever still reads gets an end."""
        run = self._runs.get(request_id)
        if run is None or run.aborted:
            return
        run.aborted = True
        for reader, result, answer in zip(run.readers, run.results, run.answers, strict=True):
            reader.cancel()
            _abort(result)
            if not answer.finished:
                run.queue.put_nowait(answer.cut())

    async def _poll(self) -> None:
        """The library's figures of its last step; there are none while nothing runs."""
        while True:
            try:
                async for row in self._llm.get_stats_async(timeout=POLL_S):
                    self._row = row
                    self._pulse.beat()
            except Exception as error:  # noqa: BLE001 - figures are no reason to die
                log.warning("no load figures from the engine: %s", error)
            await asyncio.sleep(POLL_S)

    def stats(self) -> EngineStats:
        """The present load; without iteration statistics the cache's share counts whole requests."""
        running = min(self._pulse.running, self.max_concurrent_requests)
        waiting = self._pulse.running - running
        cache: dict[str, Any] = self._row.get("kvCacheStats") or {}
        blocks = int(cache.get("maxNumBlocks", 0))
        if not blocks:
            return EngineStats(running, waiting, running / self.max_concurrent_requests)
        used = 0
        if self._pulse.running:  # the last row stays when nothing runs any more
            running = int(self._row.get("numActiveRequests", running))
            waiting = int(self._row.get("numQueuedRequests", waiting))
            used = int(cache.get("usedNumBlocks", 0))
        block_tokens = int(cache.get("tokensPerBlock", 0))
        return EngineStats(running, waiting, min(1.0, used / blocks), blocks * block_tokens, block_tokens)

    def healthy(self) -> bool:
        """False once the engine has died, and while it is silent with answers under way."""
        if self._llm is None or self._pulse.death is not None or self._pulse.hangs:
            return False
        if executor_died(self._llm):
            self._pulse.death = "its executor has shut down"
        return self._pulse.death is None

    async def unload(self) -> None:
        """Stop everything and give the GPUs back."""
        if self._polling is not None:
            self._polling.cancel()
        for request_id in list(self._runs):
            self.abort(request_id)
        llm, self._llm = self._llm, None
        if llm is not None:
            await asyncio.get_running_loop().run_in_executor(None, llm.shutdown)


def _library() -> Any:
    os.environ.update(NO_TELEMETRY)
    try:
        return importlib.import_module("tensorrt_llm")
    except ModuleNotFoundError as error:
        if error.name != "tensorrt_llm":
            raise StartError(
                f"engine.kind is 'tensorrt-llm', but its import misses {error.name!r}; use {IMAGE}"
            ) from error
        raise StartError(
            f"engine.kind is 'tensorrt-llm', but TensorRT-LLM is not installed; use the image {IMAGE}:<version>, "
            "or install novacron-serving[tensorrt-llm] on a machine with an NVIDIA GPU"
        ) from error
    except Exception as error:  # CUDA's and MPI's libraries are loaded by the import
        reason = _reason(error)
        raise StartError(f"engine.kind is 'tensorrt-llm', but its import fails: {reason}; use {IMAGE}") from error


def _class(name: str) -> Any:
    for home in HOMES:
        with contextlib.suppress(ImportError):
            if found := getattr(importlib.import_module(home), name, None):
                return found
    raise StartError(f"this version of TensorRT-LLM has no {name}; use {IMAGE}:1.2")


def _reason(error: Exception) -> str:
    """One line."""
    return " ".join(str(error).split())[:500] or type(error).__name__


def _taken(answer: Answer, output: Any) -> Delta | None:
    try:
        return answer.take(output)
    except RequestError:
        raise
    except Exception as error:  # a tokenizer's; no reason to take the engine for dead
        raise RequestError(500, f"the answer cannot be read: {_reason(error)}", kind="server_error") from error


def _limits(model_path: Path) -> tuple[int, int]:
    """The longest context and the size of the vocabulary. Raises `ValueError` when the model does not say."""
    model: dict[str, Any] = json.loads((model_path / "config.json").read_text())
    model = model.get("text_config", model)  # models that also see have it there
    missing = [name for name in ("max_position_embeddings", "vocab_size") if name not in model]
    if missing:
        raise ValueError(f"config.json does not say {' or '.join(missing)}")
    return int(model["max_position_embeddings"]), int(model["vocab_size"])


def _check_folders(config: TensorRtLlmConfig) -> None:
    """Raises `ValueError` for an adapter or a draft that is not where the settings say."""
    needed = {f"lora.adapters.{name}": (path, "adapter_config.json") for name, path in _adapters(config).items()}
    if isinstance(config.speculative, DraftModel | Eagle3):
        needed["speculative.path"] = (config.speculative.path, "config.json")
    for field_name, (path, file) in needed.items():
        if not (path / file).is_file():
            raise ValueError(f"engine.{field_name} {str(path)!r} holds no {file}")


def _adapters(config: TensorRtLlmConfig) -> Mapping[str, Path]:
    return config.lora.adapters if config.lora else {}


def _capability() -> tuple[int, int]:
    import torch

    if not torch.cuda.is_available():
        raise StartError("engine.kind is 'tensorrt-llm', but this machine has no CUDA device; use 'pytorch' here")
    return torch.cuda.get_device_capability(0)


def _bias(logit_bias: Any, vocabulary: int) -> Any:
    import torch

    bias = torch.zeros(vocabulary, dtype=torch.float32)
    for token, value in logit_bias.items():
        bias[token] = value
    return bias


def _abort(result: Any) -> None:
    if not result.finished:
        with contextlib.suppress(Exception):  # an executor that has just died takes no word any more
            result.abort()
