"""Implements the engine interface with TensorRT-LLM's `LLM.generate_async`."""

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

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.engines import Delta, EngineStats, GenerationRequest
from novacron_serving.engines.tensorrt_llm.admission import check_request, max_completion_tokens
from novacron_serving.engines.tensorrt_llm.arguments import (
    SEEDS,
    build,
    make_disaggregated_params,
    make_llm_arguments,
    make_lora_request,
    make_sampling_arguments,
)
from novacron_serving.engines.tensorrt_llm.choice import Choice
from novacron_serving.engines.tensorrt_llm.config import DraftModel, Eagle3, TensorRtLlmConfig
from novacron_serving.engines.tensorrt_llm.health import Heartbeat, executor_died
from novacron_serving.engines.tensorrt_llm.launch import NO_TELEMETRY
from novacron_serving.engines.tensorrt_llm.library import Llm, RequestOutput
from novacron_serving.engines.tensorrt_llm.quantization import check_checkpoint, find_architecture
from novacron_serving.engines.tokens import Tokens
from novacron_serving.errors import RequestError, StartError, invalid, one_line, overloaded

IMAGE = "nvcr.io/nvidia/tensorrt-llm/release"
CLASS_MODULES = ("tensorrt_llm.llmapi", "tensorrt_llm.lora_helper", "tensorrt_llm._torch.peft.lora.config")
"""Modules of the library's classes. `LoraConfig` moved from the second to the third after 1.2."""
POLL_S = 1.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    """A running request."""

    queue: asyncio.Queue[Delta | Exception] = field(default_factory=asyncio.Queue[Delta | Exception])
    results: list[RequestOutput] = field(default_factory=list[RequestOutput])
    choices: list[Choice] = field(default_factory=list[Choice])
    readers: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    aborted: bool = False


class TensorRtLlmEngine:
    """An engine that batches requests on GPUs. Each choice is a request of its own to the library.

    In 1.2, a request with several choices ends all of them when the first one stops, reports the finish reason of the
    last one only (`tensorrt_llm/executor/result.py`), and is rejected for greedy sampling. The prompt is computed for
    each choice either way, unless its blocks are in the cache.
    """

    def __init__(self, model_path: Path, config: TensorRtLlmConfig, clock: Clock = SYSTEM_CLOCK) -> None:
        self.max_concurrent_requests = config.max_concurrent_requests
        self.max_context_tokens = 0
        self._path = model_path
        self._config = config
        self._clock = clock
        self._llm: Llm | None = None
        self._tokens: Tokens | None = None
        self._vocabulary = 0
        self._runs: dict[str, _Run] = {}
        self._heartbeat = Heartbeat(config.unhealthy_after_s, clock)
        self._statistics: dict[str, Any] = {}
        self._polling: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Load the model. Raises `StartError`."""
        if not (self._path / "config.json").is_file():
            raise StartError(f"model.path {str(self._path)!r} has no config.json; give a Hugging Face model folder")
        await asyncio.get_running_loop().run_in_executor(None, self._load)
        if self._config.iteration_stats:
            self._polling = asyncio.create_task(self._poll_statistics())

    def _load(self) -> None:
        library = _import_library()
        try:
            own, self._vocabulary = _read_limits(self._path)
            self.max_context_tokens = min(own, self._config.max_context_tokens or own)
            self._config.check_transfer_buffer(self.max_context_tokens)
            architecture = self._config.gpu_architecture or find_architecture(_compute_capability())
            weights = check_checkpoint(self._path, self._config.quantization, architecture)
            _check_folders(self._config)
        except ValueError as error:
            raise StartError(f"TensorRT-LLM cannot serve model.path {str(self._path)!r}: {error}") from error
        log.info("loading %s weights on %s", weights.value, architecture.value)
        self._tokens = Tokens.load(
            self._path,
            trust_remote_code=self._config.trust_remote_code,
            chat_template=self._config.chat_template,
        )
        arguments = make_llm_arguments(self._config, self._path, self.max_context_tokens)
        try:
            self._llm = library.LLM(**{name: build(value, _find_class) for name, value in arguments.items()})
        except Exception as error:  # missing memory, missing GPUs and broken weights raise all kinds of errors
            raise StartError(f"TensorRT-LLM cannot load model.path {str(self._path)!r}: {one_line(error)}") from error

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """Generate completions. Closing the iterator aborts the unfinished choices."""
        self._admit(request)
        assert self._tokens is not None  # noqa: S101 - the engine is loaded
        transfer = request.kv_transfer
        prompt = list(transfer.prompt) if transfer else self._tokens.encode(request.prompt)
        limit = max_completion_tokens(request, len(prompt), self.max_context_tokens, self._config)
        max_tokens = min(request.max_tokens or limit, limit)
        if max_tokens == 1:  # the prefill samples the only token, so no decode worker is needed
            request = replace(request, prefill_only=False)
        run = self._runs[request.request_id] = _Run()
        try:
            self._submit(run, request, self._tokens, prompt, max_tokens)
            unfinished = request.n
            while unfinished:
                item = await run.queue.get()
                if isinstance(item, Exception):
                    raise item
                unfinished -= item.finish_reason is not None or item.kv_transfer is not None
                yield item
        finally:
            self._runs.pop(request.request_id, None)
            self._release(run)

    def _admit(self, request: GenerationRequest) -> None:
        """Raise `RequestError` if the request cannot be served, now or at all."""
        if self._heartbeat.death is not None:
            raise RequestError(
                503, f"the engine has died: {self._heartbeat.death}", kind="server_error", code="engine_dead"
            )
        if self._heartbeat.running + request.n > self.max_concurrent_requests + self._config.max_waiting_requests:
            raise overloaded("all slots are in use and the queue is full; try again in a moment")
        check_request(request, self._config, self._vocabulary)

    def _submit(
        self, run: _Run, request: GenerationRequest, tokens: Tokens, prompt: list[int], max_tokens: int
    ) -> None:
        seed = secrets.randbelow(SEEDS) if request.sampling.seed is None else request.sampling.seed
        adapter = build(make_lora_request(self._config.lora, request.adapter) if request.adapter else None, _find_class)
        try:
            assert self._llm is not None  # noqa: S101 - the engine is loaded
            for index in range(request.n):
                arguments = make_sampling_arguments(request, max_tokens, seed + index)
                sampling = {name: build(value, _find_class) for name, value in arguments.items()}
                if request.sampling.logit_bias:
                    sampling["embedding_bias"] = _bias_tensor(request.sampling.logit_bias, self._vocabulary)
                run.results.append(
                    self._llm.generate_async(
                        prompt,
                        sampling_params=_find_class("SamplingParams")(**sampling),
                        lora_request=adapter,
                        streaming=not request.prefill_only,
                        disaggregated_params=build(make_disaggregated_params(request), _find_class),
                    )
                )
                self._heartbeat.begin()
                run.choices.append(Choice(request, index, len(prompt), tokens))
        except (ValueError, TypeError) as error:
            raise invalid(f"the engine rejects the request: {error}") from error
        except Exception as error:
            raise self._failure(request, error) from error
        run.readers += [
            asyncio.create_task(self._read(run, request, result, choice))
            for result, choice in zip(run.results, run.choices, strict=True)
        ]

    async def _read(self, run: _Run, request: GenerationRequest, result: RequestOutput, choice: Choice) -> None:
        try:
            async for output in result:
                self._heartbeat.beat()
                delta = _add_output(choice, output)
                if delta is not None:
                    run.queue.put_nowait(delta)
                if choice.finished:
                    return
            raise RequestError(503, "the engine ended the request early; try again", kind="server_error")
        except RequestError as error:
            run.queue.put_nowait(error)
        except Exception as error:  # noqa: BLE001 - raised by `generate`
            run.queue.put_nowait(self._failure(request, error))

    def _failure(self, request: GenerationRequest, error: Exception) -> RequestError:
        """Return the error for the client. The library shuts its executor down before it raises a fatal error."""
        reason = one_line(error)
        if executor_died(self._llm):
            log.error("the engine has died: %s", reason)
            self._heartbeat.death = self._heartbeat.death or reason
            return RequestError(503, f"the engine has died: {reason}", kind="server_error", code="engine_dead")
        if isinstance(error, _find_class("RequestError")) and request.guide is not None:
            return invalid(f"response_format: the engine rejects it: {reason}", param="response_format")
        log.error("the engine failed on request %s: %s", request.request_id, reason)
        return RequestError(500, f"the engine failed on this request: {reason}", kind="server_error")

    def _release(self, run: _Run) -> None:
        """Abort what is unfinished. Reading an aborted result may raise if it has log probabilities (#10810)."""
        for reader in run.readers:
            reader.cancel()
        for _ in run.choices:
            self._heartbeat.end()
        if run.aborted or self._heartbeat.death is not None:
            return
        for result in run.results:
            _abort(result)

    def abort(self, request_id: str) -> None:
        """Stop generating. `generate` yields a last delta for each unfinished choice."""
        run = self._runs.get(request_id)
        if run is None or run.aborted:
            return
        run.aborted = True
        for reader, result, choice in zip(run.readers, run.results, run.choices, strict=True):
            reader.cancel()
            _abort(result)
            if not choice.finished:
                run.queue.put_nowait(choice.abort())

    async def _poll_statistics(self) -> None:
        """Read the library's statistics of its last step. There are none while no request runs."""
        while self._llm is not None:
            try:
                async for statistics in self._llm.get_stats_async(timeout=POLL_S):
                    self._statistics = statistics
                    self._heartbeat.beat()
            except Exception as error:  # noqa: BLE001 - requests are served without statistics
                log.warning("cannot read the engine's statistics: %s", error)
            await self._clock.sleep(POLL_S)

    def stats(self) -> EngineStats:
        """Return the load. Without iteration statistics, the cache utilization is the share of slots in use."""
        running = min(self._heartbeat.running, self.max_concurrent_requests)
        waiting = self._heartbeat.running - running
        cache: dict[str, Any] = self._statistics.get("kvCacheStats") or {}
        blocks = int(cache.get("maxNumBlocks", 0))
        if not blocks:
            return EngineStats(running, waiting, running / self.max_concurrent_requests)
        used = 0
        if self._heartbeat.running:  # otherwise the statistics are outdated
            running = int(self._statistics.get("numActiveRequests", running))
            waiting = int(self._statistics.get("numQueuedRequests", waiting))
            used = int(cache.get("usedNumBlocks", 0))
        block_tokens = int(cache.get("tokensPerBlock", 0))
        return EngineStats(running, waiting, min(1.0, used / blocks), blocks * block_tokens, block_tokens)

    def healthy(self) -> bool:
        """Return False once the engine has died, and while it hangs."""
        if self._llm is None or self._heartbeat.death is not None or self._heartbeat.hangs:
            return False
        if executor_died(self._llm):
            self._heartbeat.death = "its executor has shut down"
        return self._heartbeat.death is None

    async def unload(self) -> None:
        """Stop all requests and free the GPUs."""
        if self._polling is not None:
            self._polling.cancel()
        for request_id in list(self._runs):
            self.abort(request_id)
        llm, self._llm = self._llm, None
        if llm is not None:
            await asyncio.get_running_loop().run_in_executor(None, llm.shutdown)


def _import_library() -> Any:
    os.environ.update(NO_TELEMETRY)
    try:
        return importlib.import_module("tensorrt_llm")
    except ModuleNotFoundError as error:
        if error.name != "tensorrt_llm":
            raise StartError(
                f"engine.kind is 'tensorrt-llm', but it needs {error.name!r}, which is not installed; use {IMAGE}"
            ) from error
        raise StartError(
            f"engine.kind is 'tensorrt-llm', but TensorRT-LLM is not installed; use the image {IMAGE}:<version>, "
            "or install novacron-serving[tensorrt-llm] on a machine with an NVIDIA GPU"
        ) from error
    except Exception as error:  # the import loads the libraries of CUDA and MPI
        reason = one_line(error)
        raise StartError(f"engine.kind is 'tensorrt-llm', but importing it fails: {reason}; use {IMAGE}") from error


def _find_class(name: str) -> Any:
    for module in CLASS_MODULES:
        with contextlib.suppress(ImportError):
            if found := getattr(importlib.import_module(module), name, None):
                return found
    raise StartError(f"this version of TensorRT-LLM has no {name}; use {IMAGE}:1.2")


def _add_output(choice: Choice, output: RequestOutput) -> Delta | None:
    try:
        return choice.add_output(output)
    except RequestError:
        raise
    except Exception as error:  # a tokenizer's error does not mean that the engine has died
        raise RequestError(
            500, f"the engine's output cannot be read: {one_line(error)}", kind="server_error"
        ) from error


def _read_limits(model_path: Path) -> tuple[int, int]:
    """Return the length of the context and the size of the vocabulary. Raises `ValueError` if one is missing."""
    model: dict[str, Any] = json.loads((model_path / "config.json").read_text())
    model = model.get("text_config", model)  # multimodal models have it there
    missing = [name for name in ("max_position_embeddings", "vocab_size") if name not in model]
    if missing:
        raise ValueError(f"config.json has no {' and no '.join(missing)}")
    return int(model["max_position_embeddings"]), int(model["vocab_size"])


def _check_folders(config: TensorRtLlmConfig) -> None:
    """Raise `ValueError` if the folder of an adapter or a draft model is incomplete."""
    needed = {f"lora.adapters.{name}": (path, "adapter_config.json") for name, path in _adapters(config).items()}
    if isinstance(config.speculative, DraftModel | Eagle3):
        needed["speculative.path"] = (config.speculative.path, "config.json")
    for field_name, (path, file) in needed.items():
        if not (path / file).is_file():
            raise ValueError(f"engine.{field_name} {str(path)!r} has no {file}")


def _adapters(config: TensorRtLlmConfig) -> Mapping[str, Path]:
    return config.lora.adapters if config.lora else {}


def _compute_capability() -> tuple[int, int]:
    import torch

    if not torch.cuda.is_available():
        raise StartError("engine.kind is 'tensorrt-llm', but this machine has no CUDA device; use 'pytorch' here")
    return torch.cuda.get_device_capability(0)


def _bias_tensor(logit_bias: Mapping[int, float], vocabulary: int) -> Any:
    import torch

    bias = torch.zeros(vocabulary, dtype=torch.float32)
    for token, value in logit_bias.items():
        bias[token] = value
    return bias


def _abort(result: RequestOutput) -> None:
    if not result.finished:
        with contextlib.suppress(Exception):  # the executor may have died
            result.abort()
