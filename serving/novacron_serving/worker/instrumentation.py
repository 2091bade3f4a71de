"""Metrics and spans of a worker's generations, by the names of OpenTelemetry's conventions."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, Histogram, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from novacron_serving.engines import ChatPrompt, Delta, EngineStats, GenerationRequest
from novacron_serving.errors import RequestError
from novacron_serving.protocol import contract
from novacron_serving.quality.report import Measurement
from novacron_serving.tracing import Tracing, mark_failed
from novacron_serving.worker.served import ServedModel

if TYPE_CHECKING:
    from opentelemetry.trace import Span

# Bucket boundaries of OpenTelemetry's conventions for generative AI (2026-11). Those of the latencies are in the
# contract, with edges added at usual latency targets: an alert counts the requests below its target.
_DURATION_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(4**exponent for exponent in range(14))
_LABELS = ("gen_ai_operation_name", "gen_ai_request_model")


class Instrumentation:
    """A worker's metrics registry. It observes each generation and makes a span of it."""

    def __init__(self, served: ServedModel, tracing: Tracing | None) -> None:
        """Register the metrics. With `tracing` None, no spans are made."""
        self._registry = CollectorRegistry()
        self._served = served
        self._tracing = tracing
        known = contract()
        names, edges_s = known["metrics"], known["bucket_edges_s"]

        def stats() -> EngineStats:
            return served.engine.stats()

        def gauge(name: str, description: str, value: Callable[[], float]) -> None:
            Gauge(names[name], description, registry=self._registry).set_function(value)

        def histogram(name: str, description: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(names[name], description, (*_LABELS, *labels), registry=self._registry, buckets=buckets)

        def quality_gauge(name: str, description: str) -> Gauge:
            return Gauge(names[name], description, ["model", "quantization"], registry=self._registry)

        gauge("requests_running", "Requests being generated", lambda: stats().running_requests)
        gauge("requests_waiting", "Requests waiting for a slot", lambda: stats().waiting_requests)
        gauge("model_loaded", "Whether a model is loaded", lambda: served.ready)
        gauge("kv_cache_utilization", "Share of the key-value cache in use", lambda: stats().kv_cache_utilization)
        self._registry.register(_BlockSize(names["kv_cache_tokens_per_block"], stats))
        self._first_token = histogram("time_to_first_token", "Time to the first token", edges_s["time_to_first_token"])
        self._per_token = histogram(
            "time_per_output_token", "Mean time of each further token", edges_s["time_per_output_token"]
        )
        self._duration = histogram("request_duration", "Duration of whole generations", _DURATION_S)
        self._tokens = histogram("tokens", "Tokens of prompts and completions", _TOKENS, "gen_ai_token_type")
        # These two have no series until a measurement is found.
        self._quality = quality_gauge("quality_score", "Agreement with FP32, measured")
        self._compression = quality_gauge("compression_ratio", "Bytes of FP32 weights per byte, measured")

    def expose_metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def set_quality(self, measurement: Measurement | None) -> None:
        """Export the quality measurement of the served model, in place of the previous one."""
        self._quality.clear()
        self._compression.clear()
        if measurement is not None:
            labels = (self._served.model_id, measurement.quantization)
            self._quality.labels(*labels).set(measurement.score)
            self._compression.labels(*labels).set(measurement.compression_ratio)

    async def observe(
        self, generation: GenerationRequest, deltas: AsyncGenerator[Delta, None], model: str, headers: Mapping[str, str]
    ) -> AsyncGenerator[Delta, None]:
        """Yield the same deltas and record metrics and a span.

        Args:
            generation: the request.
            deltas: its output.
            model: the model name in the client's request.
            headers: the request's headers, which may name the parent span.
        """
        operation = "chat" if isinstance(generation.prompt, ChatPrompt) else "text_completion"
        start = time.perf_counter()
        first_token_s = 0.0
        last = dict[int, Delta]()
        span = self._start_span(operation, model, generation, headers)
        try:
            async with aclosing(deltas):
                async for delta in deltas:
                    if not last:
                        first_token_s = time.perf_counter() - start
                        self._first_token.labels(operation, model).observe(first_token_s)
                        if span is not None:
                            span.add_event("first token")
                    last[delta.index] = delta
                    yield delta
        except RequestError as error:
            if span is not None:
                mark_failed(span, error.code or str(error.status), ours=error.status >= 500)
            raise
        except GeneratorExit:
            if span is not None:
                mark_failed(span, "client_left", ours=False)
            raise
        finally:
            if span is not None:
                _set_usage(span, last)
                span.end()
        self._record(operation, model, generation, last, time.perf_counter() - start, first_token_s)

    def _record(
        self, operation: str, model: str, generation: GenerationRequest, last: dict[int, Delta], duration_s: float,
        first_token_s: float,
    ) -> None:  # fmt: skip
        completion_tokens = [delta.completion_tokens for delta in last.values()]
        longest = max(completion_tokens, default=0)
        self._duration.labels(operation, model).observe(duration_s)
        if longest > 1:
            self._per_token.labels(operation, model).observe((duration_s - first_token_s) / (longest - 1))
        if last and generation.kv_transfer is None:  # otherwise the prefill worker has counted the prompt
            prompt_tokens = next(iter(last.values())).prompt_tokens
            self._tokens.labels(operation, model, "input").observe(prompt_tokens)
        self._tokens.labels(operation, model, "output").observe(sum(completion_tokens))

    def _start_span(
        self, operation: str, model: str, generation: GenerationRequest, headers: Mapping[str, str]
    ) -> Span | None:
        if self._tracing is None:
            return None
        from opentelemetry.trace import SpanKind

        sampling = generation.sampling
        attributes: dict[str, str | float] = {
            "gen_ai.operation.name": operation, "gen_ai.request.model": model,
            "gen_ai.request.temperature": sampling.temperature, "gen_ai.request.top_p": sampling.top_p,
        }  # fmt: skip
        if generation.max_tokens is not None:
            attributes["gen_ai.request.max_tokens"] = generation.max_tokens
        parent = self._tracing.parent(headers)
        return self._tracing.begin(f"{operation} {model}", SpanKind.SERVER, parent, attributes)


class _BlockSize(Collector):
    """The block size of the key-value cache. No series while the engine does not report one."""

    def __init__(self, name: str, stats: Callable[[], EngineStats]) -> None:
        self._name = name
        self._stats = stats

    def collect(self) -> Iterable[Metric]:
        """Yield the gauge."""
        if tokens := self._stats().kv_cache_block_tokens:
            yield GaugeMetricFamily(self._name, "Tokens in a block of the key-value cache", tokens)


def _set_usage(span: Span, last: dict[int, Delta]) -> None:
    if not last:
        return
    deltas = list(last.values())
    span.set_attribute("gen_ai.usage.input_tokens", deltas[0].prompt_tokens)
    span.set_attribute("gen_ai.usage.output_tokens", sum(delta.completion_tokens for delta in deltas))
    span.set_attribute("gen_ai.response.finish_reasons", [delta.finish_reason or "none" for delta in deltas])
    if cached := max(delta.cached_tokens for delta in deltas):
        span.set_attribute("novacron.cached_tokens", cached)
