"""What a worker measures of its generations: metrics by the names of OpenTelemetry's conventions, and spans."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from novacron_serving.engines import ChatPrompt, Delta, Engine, GenerationRequest
from novacron_serving.errors import RequestError
from novacron_serving.protocol import contract
from novacron_serving.tracing import Tracing, fail

if TYPE_CHECKING:
    from opentelemetry.trace import Span

# The boundaries are those of OpenTelemetry's conventions for generative AI (2026-11).
_FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_PER_TOKEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
_WHOLE_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(4**exponent for exponent in range(14))
_LABELS = ("gen_ai_operation_name", "gen_ai_request_model")


class Measuring:
    """The registry of a worker, and what is observed of each generation."""

    def __init__(self, engine: Callable[[], Engine], tracing: Tracing | None) -> None:
        """Args: `engine`: the one that serves now."""
        self.registry = CollectorRegistry()
        self._tracing = tracing
        names = contract()["metrics"]

        def told(name: str, what: str, value: Callable[[], float]) -> None:
            Gauge(names[name], what, registry=self.registry).set_function(value)

        def histogram(name: str, what: str, buckets: tuple[float, ...], *more: str) -> Histogram:
            return Histogram(names[name], what, (*_LABELS, *more), registry=self.registry, buckets=buckets)

        told("requests_running", "Requests being generated", lambda: engine().stats().running_requests)
        told("requests_waiting", "Requests waiting for a place", lambda: engine().stats().waiting_requests)
        told("kv_cache_utilization", "Share of the cache in use", lambda: engine().stats().kv_cache_utilization)
        self.registry.register(_Blocks(names["kv_cache_tokens_per_block"], engine))
        self._first = histogram("time_to_first_token", "Time to the first token", _FIRST_TOKEN_S)
        self._each = histogram("time_per_output_token", "Time of each further token, on average", _PER_TOKEN_S)
        self._whole = histogram("request_duration", "Whole generations", _WHOLE_S)
        self._tokens = histogram("tokens", "Tokens of prompts and answers", _TOKENS, "gen_ai_token_type")

    async def measured(
        self, generation: GenerationRequest, deltas: AsyncGenerator[Delta, None], model: str, headers: Mapping[str, str]
    ) -> AsyncGenerator[Delta, None]:
        """The same deltas. Args: `model`: as it was asked for; `headers`: with the trace that this belongs to."""
        operation = "chat" if isinstance(generation.prompt, ChatPrompt) else "text_completion"
        began = time.perf_counter()
        first_s = 0.0
        last = dict[int, Delta]()
        span = self._begin(operation, model, generation, headers)
        try:
            async with aclosing(deltas):
                async for delta in deltas:
                    if not last:
                        first_s = time.perf_counter() - began
                        self._first.labels(operation, model).observe(first_s)
                        if span is not None:
                            span.add_event("first token")
                    last[delta.index] = delta
                    yield delta
        except RequestError as error:
            if span is not None:
                fail(span, error.code or str(error.status), ours=error.status >= 500)
            raise
        except GeneratorExit:
            if span is not None:
                fail(span, "client_left", ours=False)
            raise
        finally:
            if span is not None:
                _tell_usage(span, last)
                span.end()
        self._observe(operation, model, generation, last, time.perf_counter() - began, first_s)

    def _observe(
        self, operation: str, model: str, generation: GenerationRequest, last: dict[int, Delta], took_s: float,
        first_s: float,
    ) -> None:  # fmt: skip
        answered = sum(delta.completion_tokens for delta in last.values())
        longest = max((delta.completion_tokens for delta in last.values()), default=0)
        self._whole.labels(operation, model).observe(took_s)
        if longest > 1:
            self._each.labels(operation, model).observe((took_s - first_s) / (longest - 1))
        if last and generation.handed_over is None:  # who read them has counted them
            prompt = next(iter(last.values())).prompt_tokens
            self._tokens.labels(operation, model, "input").observe(prompt)
        self._tokens.labels(operation, model, "output").observe(answered)

    def _begin(
        self, operation: str, model: str, generation: GenerationRequest, headers: Mapping[str, str]
    ) -> Span | None:
        if self._tracing is None:
            return None
        from opentelemetry.trace import SpanKind

        sampling = generation.sampling
        told: dict[str, Any] = {
            "gen_ai.operation.name": operation, "gen_ai.request.model": model,
            "gen_ai.request.temperature": sampling.temperature, "gen_ai.request.top_p": sampling.top_p,
        }  # fmt: skip
        if generation.max_tokens is not None:
            told["gen_ai.request.max_tokens"] = generation.max_tokens
        return self._tracing.begin(f"{operation} {model}", SpanKind.SERVER, self._tracing.parent(headers), told)


class _Blocks(Collector):
    """No figure while the engine says of no blocks."""

    def __init__(self, name: str, engine: Callable[[], Engine]) -> None:
        self._name = name
        self._engine = engine

    def collect(self) -> Iterable[Metric]:
        """The tokens of a block."""
        if tokens := self._engine().stats().kv_cache_block_tokens:
            yield GaugeMetricFamily(self._name, "Tokens in a block of the cache", tokens)


def _tell_usage(span: Span, last: dict[int, Delta]) -> None:
    if not last:
        return
    deltas = list(last.values())
    span.set_attribute("gen_ai.usage.input_tokens", deltas[0].prompt_tokens)
    span.set_attribute("gen_ai.usage.output_tokens", sum(delta.completion_tokens for delta in deltas))
    span.set_attribute("gen_ai.response.finish_reasons", [delta.finish_reason or "none" for delta in deltas])
    if cached := max(delta.cached_tokens for delta in deltas):
        span.set_attribute("novacron.cached_tokens", cached)
