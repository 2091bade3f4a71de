"""Spans for a collector, where OpenTelemetry's environment variables name one. Nothing is imported where they do not.

The text of prompts and answers is in no span.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novacron_serving.errors import StartError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanKind, Tracer
    from opentelemetry.util.types import Attributes

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
FLUSH_S = 3.0
"""How long a process that ends waits for its collector."""


@dataclass(slots=True)
class Tracing:
    """Makes spans; an SDK thread sends them, so that no request waits for the collector."""

    _provider: Any
    _tracer: Tracer
    _propagator: Any

    def parent(self, headers: Mapping[str, str]) -> Context:
        """Where a request's trace began, from its `traceparent`."""
        return self._propagator.extract(headers)

    def begin(self, name: str, kind: SpanKind, parent: Context, attributes: Attributes) -> Span:
        """A span."""
        return self._tracer.start_span(name, parent, kind, attributes)

    def headers(self, span: Span) -> dict[str, str]:
        """By which the other side's spans become this one's children."""
        found: dict[str, str] = {}
        self._propagator.inject(found, self.below(span))
        return found

    def below(self, span: Span) -> Context:
        """The context of a span's children in this process."""
        from opentelemetry.trace import set_span_in_context

        return set_span_in_context(span)

    def close(self) -> None:
        """Send what is left, within `FLUSH_S`: the SDK's own bound is not kept while a collector is away."""
        sending = threading.Thread(target=self._provider.force_flush, daemon=True)
        sending.start()
        sending.join(FLUSH_S)


def tracing(service: str) -> Tracing | None:
    """Where spans go; None: no collector is named, or OTEL_SDK_DISABLED is true.

    Raises:
        StartError: a collector is named, and the packages are missing.
    """
    if not any(map(os.environ.get, ENDPOINTS)) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError as error:
        raise StartError(
            f"{' or '.join(ENDPOINTS)} is set, and {error.name} is missing: pip install 'novacron-serving[tracing]', "
            "or unset it"
        ) from error
    name = os.environ.get("OTEL_SERVICE_NAME", service)
    provider = TracerProvider(resource=Resource.create({"service.name": name}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider, provider.get_tracer("novacron_serving"), TraceContextTextMapPropagator())


def fail(span: Span, kind: str, *, ours: bool = True) -> None:
    """Say what went wrong. Args: `ours`: it is no mistake of the one who asked."""
    from opentelemetry.trace import StatusCode

    span.set_attribute("error.type", kind)
    if ours:
        span.set_status(StatusCode.ERROR)
