"""OpenTelemetry spans, exported if the standard environment variables name a collector. Otherwise, nothing is imported.

Spans never include the text of prompts and completions.
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
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, SpanKind, Tracer
    from opentelemetry.util.types import Attributes

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
FLUSH_S = 3.0
"""How long an exiting process waits for the collector."""


@dataclass(slots=True)
class Tracing:
    """Makes spans. A thread of the SDK exports them, so that requests never wait for the collector."""

    _provider: TracerProvider
    _tracer: Tracer
    _propagator: Any

    def parent(self, headers: Mapping[str, str]) -> Context:
        """Return the parent context from a request's `traceparent` header."""
        return self._propagator.extract(headers)

    def begin(self, name: str, kind: SpanKind, parent: Context, attributes: Attributes) -> Span:
        """Start a span."""
        return self._tracer.start_span(name, parent, kind, attributes)

    def headers(self, span: Span) -> dict[str, str]:
        """Return the headers that make the receiver's spans children of this one."""
        found: dict[str, str] = {}
        self._propagator.inject(found, self.below(span))
        return found

    def below(self, span: Span) -> Context:
        """Return the context for children of a span in this process."""
        from opentelemetry.trace import set_span_in_context

        return set_span_in_context(span)

    def close(self) -> None:
        """Export the remaining spans within `FLUSH_S`. The SDK exceeds its own timeout without a collector."""
        sending = threading.Thread(target=self._provider.force_flush, daemon=True)
        sending.start()
        sending.join(FLUSH_S)


def make_tracing(service: str) -> Tracing | None:
    """Set up tracing. Return None if no collector is configured, or OTEL_SDK_DISABLED is true.

    Args:
        service: the service name, unless OTEL_SERVICE_NAME is set.

    Raises:
        StartError: a collector is configured, but the packages are missing.
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
            f"{' or '.join(ENDPOINTS)} is set, but {error.name} is not installed; "
            "pip install 'novacron-serving[tracing]', or unset the variable"
        ) from error
    name = os.environ.get("OTEL_SERVICE_NAME", service)
    provider = TracerProvider(resource=Resource.create({"service.name": name}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider, provider.get_tracer("novacron_serving"), TraceContextTextMapPropagator())


def mark_failed(span: Span, kind: str, *, ours: bool = True) -> None:
    """Mark a span as failed.

    Args:
        span: the span.
        kind: the `error.type`.
        ours: False for the client's errors, which do not set the span's status.
    """
    from opentelemetry.trace import StatusCode

    span.set_attribute("error.type", kind)
    if ours:
        span.set_status(StatusCode.ERROR)
