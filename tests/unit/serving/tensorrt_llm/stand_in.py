"""A STAND-IN for the `tensorrt_llm` package, for machines without a GPU: no model, no sampling, no NVIDIA code.

It returns the tokens of a test's script, and follows the rules of the library that the engine relies on:

- Outputs are one object with all tokens so far. The finish reason is set at the very end only.
- `abort` ends a request as cancelled.
- An error in the background stops the executor.
- Argument names are those of `published_arguments.yaml`; any other is an error.

It cannot show that the real library behaves like this. The tests marked `gpu` do.

In place of a key-value cache on a GPU, a prefill writes the prompt's tokens to a file in the folder `CACHES`, and its
opaque state names the file. A decode engine removes the file, and fails if it is missing or belongs to another prompt.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import queue
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

FACTS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "published_arguments.yaml").read_text())


CACHES = Path("/nonexistent")


class RequestError(RuntimeError):
    """An error of one request."""


@dataclass
class Script:
    """The output of one request."""

    tokens: list[int]
    per_output: int = 1
    ends: str = "length"
    """`stop`: after the end token. `timeout` and `cancelled`: decided by the library."""
    first_after_s: float = 0.0
    every_s: float = 0.0
    hangs_after: int | None = None
    """No output follows after this many outputs."""
    raises: Exception | None = None
    """Raised instead of the first output."""
    rejects: Exception | None = None
    """Raised by `generate_async` itself."""
    logprobs: list[Any] = field(default_factory=list)
    cached_tokens: int = 0


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None


@dataclass
class CompletionOutput:
    index: int = 0
    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)
    finish_reason: str | None = None
    disaggregated_params: Any = None


class RequestOutput:
    """Yields itself after each change, like the library."""

    def __init__(self, llm: LLM, script: Script, prompt: list[int], sampling: Any, half: Any = None) -> None:
        self.prompt_token_ids = prompt
        self.outputs = [CompletionOutput()]
        self.finished = False
        self.cached_tokens = 0
        self.aborts = 0
        self._llm = llm
        self._script = script
        self._half = half
        self._max_tokens = 1 if half is not None and half.request_type == "context_only" else sampling.max_tokens
        self._cancelled = asyncio.Event()
        self._steps = self._run()

    def abort(self) -> None:
        self.aborts += 1
        self._cancelled.set()

    def __aiter__(self) -> RequestOutput:
        return self

    async def __anext__(self) -> RequestOutput:
        if self.finished:
            raise StopAsyncIteration
        await anext(self._steps)
        return self

    async def _wait(self, seconds: float | None) -> None:
        """Wait for this long, or until the request is aborted. None: until it is aborted."""
        try:
            await asyncio.wait_for(self._cancelled.wait(), seconds)
        except asyncio.TimeoutError:
            return
        self.finished = True
        self.outputs[0].finish_reason = "cancelled"

    async def _run(self) -> AsyncIterator[None]:
        script, out = self._script, self.outputs[0]
        await self._wait(script.first_after_s)
        if script.raises is not None:
            if not isinstance(script.raises, RequestError | AssertionError):
                self._llm._executor.down = True  # "will shutdown the LLM instance"
            raise script.raises
        self.cached_tokens = script.cached_tokens
        if self._half is not None and self._half.request_type == "generation_only":
            self._fetch()
        planned = script.tokens[: self._max_tokens]
        for at in range(0, len(planned), script.per_output):
            if script.hangs_after is not None and at >= script.hangs_after * script.per_output:
                await self._wait(None)
            elif at:
                await self._wait(script.every_s)
            if self.finished:
                yield
                return
            out.token_ids.extend(planned[at : at + script.per_output])
            out.logprobs = script.logprobs[: len(out.token_ids)]
            if len(out.token_ids) == len(planned):
                self.finished = True
                out.finish_reason = "length" if len(planned) < len(script.tokens) else script.ends
                if self._half is not None and self._half.request_type == "context_only":
                    self._keep()
            yield

    def _keep(self) -> None:
        out = self.outputs[0]
        if out.finish_reason == "length":
            out.finish_reason = "not_finished"
        number = next(self._llm.numbers)
        cache = CACHES / f"{self._llm.arguments['model'].rpartition('/')[2]}-{id(self._llm)}-{number}"
        cache.write_text(json.dumps(self.prompt_token_ids))
        out.disaggregated_params = _class("DisaggregatedParams", FACTS["classes"]["DisaggregatedParams"])(
            request_type="context_only",
            first_gen_tokens=list(out.token_ids),
            ctx_request_id=number,
            opaque_state=str(cache).encode() + b"\0\xff",
        )

    def _fetch(self) -> None:
        cache = Path(self._half.opaque_state.removesuffix(b"\0\xff").decode())
        if not cache.is_file():
            raise RequestError("the cache cannot be fetched")
        assert json.loads(cache.read_text()) == self.prompt_token_ids
        assert self._half.first_gen_tokens == self._script.tokens[:1]
        cache.unlink()


class Executor:
    def __init__(self) -> None:
        self.down = False
        self._error_queue: queue.Queue[Exception] = queue.Queue()

    def is_shutdown(self) -> bool:
        return self.down


class LLM:
    """Replies to requests with `scripts`, in order."""

    made: LLM
    fails: Exception | None = None

    def __init__(self, **arguments: Any) -> None:
        unknown = set(arguments) - set(FACTS["llm"])
        if unknown:
            raise ValueError(f"LLM got invalid argument: {unknown}")
        if LLM.fails is not None:
            raise LLM.fails
        self.arguments = arguments
        self.scripts: list[Script] = []
        self.calls: list[dict[str, Any]] = []
        self.results: list[RequestOutput] = []
        self.statistics: list[dict[str, Any]] = []
        self.numbers = itertools.count(2**40)
        self._executor: Any = Executor()
        LLM.made = self

    def generate_async(
        self,
        inputs: list[int],
        sampling_params: Any = None,
        lora_request: Any = None,
        streaming: bool = False,
        disaggregated_params: Any = None,
    ) -> RequestOutput:
        if self._executor is None or self._executor.is_shutdown():
            raise RuntimeError("LLM is shutting down")
        script = self.scripts.pop(0)
        if script.rejects is not None:
            raise script.rejects
        half = disaggregated_params and disaggregated_params.request_type
        if half and "cache_transceiver_config" not in self.arguments:
            raise AssertionError("kv_cache_transceiver is disabled")
        if half == "context_only" and not self.arguments.get("disable_overlap_scheduler"):
            raise ValueError("Context only requests are not supported in pytorch backend when overlap is enabled.")
        assert streaming == (half != "context_only")
        self.calls.append(
            {"inputs": inputs, "sampling": sampling_params, "lora": lora_request, "half": disaggregated_params}
        )
        self.results.append(RequestOutput(self, script, inputs, sampling_params, disaggregated_params))
        return self.results[-1]

    async def get_stats_async(self, timeout: float | None = 2) -> AsyncIterator[dict[str, Any]]:
        assert timeout is not None
        while self.statistics:
            yield self.statistics.pop(0)

    def shutdown(self) -> None:
        self._executor = None


def _class(name: str, fields: dict[str, list[Any]]) -> Any:
    def init(self: Any, **given: Any) -> None:
        unknown = set(given) - set(fields)
        if unknown:
            raise ValueError(f"{name}: extra inputs are not permitted: {unknown}")
        for key, (_, default) in fields.items():
            setattr(self, key, given.get(key, default))
        self.given = given

    return type(name, (), {"__init__": init})


def modules() -> dict[str, ModuleType]:
    made = {name: ModuleType(name) for name in ("tensorrt_llm", "tensorrt_llm.llmapi", "tensorrt_llm.lora_helper")}
    classes = {name: _class(name, fields) for name, fields in FACTS["classes"].items()}
    made["tensorrt_llm.lora_helper"].LoraConfig = classes.pop("LoraConfig")  # type: ignore[attr-defined]
    for name, value in {**classes, "LLM": LLM, "RequestError": RequestError}.items():
        setattr(made["tensorrt_llm.llmapi"], name, value)
    made["tensorrt_llm"].LLM = LLM  # type: ignore[attr-defined]
    made["tensorrt_llm"].__path__ = []
    return made
