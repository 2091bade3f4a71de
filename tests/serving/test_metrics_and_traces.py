"""Spans for an OpenTelemetry collector, and metrics for Prometheus."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from tests.polling import free_port, wait_until

from .gateway import Gateway, body
from .stack import HTTP, MODEL, Stack, running

pytestmark = pytest.mark.xdist_group("gateway")
SECRET = "a sentence that is not for third parties"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


@dataclass
class Collector:
    """Receives spans over OTLP and parses them with OpenTelemetry's own types."""

    spans: list[Any] = field(default_factory=list)
    raw: bytes = b""

    def __post_init__(self) -> None:
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    content = gzip.decompress(content)
                collector.raw += content
                export = ExportTraceServiceRequest.FromString(content)
                for resource in export.resource_spans:
                    service = read(resource.resource.attributes)["service.name"]
                    for scope in resource.scope_spans:
                        collector.spans += [(service, span, read(span.attributes)) for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        port = self.server.server_address[1]
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def named(self, name: str, count: int = 1) -> list[tuple[str, Any, dict[str, Any]]]:
        """Wait for this many spans with a name, and return them."""
        wait_until(lambda: len(self._of(name)) >= count, f"{count} spans named {name!r}", 10)
        return self._of(name)

    def _of(self, name: str) -> list[tuple[str, Any, dict[str, Any]]]:
        return [one for one in list(self.spans) if one[1].name == name]


def read(attributes: Any) -> dict[str, Any]:
    def value(field: Any) -> Any:
        kind = field.WhichOneof("value")
        return [value(one) for one in field.array_value.values] if kind == "array_value" else getattr(field, kind)

    return {one.key: value(one.value) for one in attributes}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    with running(Stack(tmp_path_factory.mktemp("traced"), environment=collector.environment), "worker-0") as made:
        yield made


def chat(url: str, prompt: str = SECRET, **fields: Any) -> httpx.Response:
    headers = {"traceparent": fields.pop("traceparent", SAMPLED)}
    content = {
        "model": MODEL,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": 8,
        "temperature": 0,
    } | fields
    return HTTP.post(f"{url}/v1/chat/completions", json=content, headers=headers)


@pytest.mark.parametrize("stream", [False, True])
def test_spans_of_coordinator_and_worker_belong_to_the_trace_of_the_client(
    traced: Stack, collector: Collector, stream: bool
) -> None:
    collector.spans.clear()
    answer = chat(traced.url, stream=stream)
    assert answer.status_code == 200
    of_coordinator, of_worker = sorted(collector.named(f"chat {MODEL}", 2), key=lambda one: one[0])
    ((_, attempt, asked),) = collector.named("ask worker-0")
    assert [one[0] for one in (of_coordinator, of_worker)] == ["novacron-coordinator", "novacron-worker"]
    assert {one[1].trace_id.hex() for one in (of_coordinator, of_worker)} == {TRACE}
    assert of_coordinator[1].parent_span_id.hex() == PARENT
    assert attempt.parent_span_id == of_coordinator[1].span_id
    assert of_worker[1].parent_span_id == attempt.span_id
    assert asked["novacron.worker"] == "worker-0"
    attributes = of_coordinator[2]
    assert (attributes["gen_ai.operation.name"], attributes["gen_ai.request.model"]) == ("chat", MODEL)
    assert (attributes["http.response.status_code"], attributes["novacron.retries"]) == (200, 0)
    assert attributes["novacron.queue_time_s"] >= 0
    attributes = of_worker[2]
    assert attributes["gen_ai.usage.input_tokens"] > 8
    assert attributes["gen_ai.usage.output_tokens"] == 8
    assert attributes["gen_ai.response.finish_reasons"] == ["length"]
    assert [event.name for event in of_worker[1].events] == ["first token"]
    assert b"third parties" not in collector.raw
    events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")] or [answer.text]
    choices = [json.loads(event)["choices"][0] for event in events]
    content = "".join(choice.get("delta", choice.get("message")).get("content") or "" for choice in choices)
    assert len(content) > 10
    assert content.encode() not in collector.raw


def test_request_that_the_client_does_not_sample_has_no_spans(traced: Stack, collector: Collector) -> None:
    collector.spans.clear()
    assert chat(traced.url, traceparent=NOT_SAMPLED, max_tokens=3).status_code == 200
    assert chat(traced.url, max_tokens=4).status_code == 200
    spans = collector.named(f"chat {MODEL}", 2)
    outputs = [found["gen_ai.usage.output_tokens"] for service, _, found in spans if service == "novacron-worker"]
    assert outputs == [4]


def test_spans_of_failed_requests_have_an_error_type(traced: Stack, collector: Collector) -> None:
    collector.spans.clear()
    assert chat(traced.url, model="none").status_code == 404
    ((_, span, attributes),) = collector.named("chat")
    assert (attributes["http.response.status_code"], attributes["error.type"]) == (404, "404")
    assert span.status.code == 0  # a client error is not a failure of the server
    assert chat(traced.url, "hello " * 600).status_code == 400
    services = {one[0]: one for one in collector.named(f"chat {MODEL}", 2)}
    assert services["novacron-worker"][2]["error.type"] == "context_length_exceeded"
    assert services["novacron-coordinator"][2]["http.response.status_code"] == 400


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Gateway]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in collector.environment.items():
            patch.setenv(name, value)
        made = Gateway(tmp_path_factory.mktemp("gateway"), cache={})
    try:
        made.start_workers("a", "b")
        yield made
    finally:
        made.stop()


def test_each_attempt_at_a_worker_has_a_span(gateway: Gateway, collector: Collector) -> None:
    collector.spans.clear()
    answer = gateway.ask({"a": {"status": 500}, "b": {"status": 500}})
    assert answer.status_code == 500
    ((_, span, attributes),) = collector.named("chat scripted")
    assert (attributes["novacron.retries"], attributes["error.type"], span.status.code) == (1, "500", 2)
    for worker in ("a", "b"):
        ((_, attempt, asked),) = collector.named(f"ask {worker}")
        assert (asked["http.response.status_code"], asked["error.type"]) == (500, "500")
        assert attempt.parent_span_id == span.span_id


def test_span_of_a_cached_response_records_the_hit(gateway: Gateway, collector: Collector) -> None:
    for _ in range(2):
        gateway.ask({"*": {"chunks": 2}}, key="sk-own-1", temperature=0)
    collector.spans.clear()
    assert gateway.ask({"*": {"chunks": 2}}, key="sk-own-1", temperature=0).headers["x-novacron-cache"] == "hit"
    wait_until(
        lambda: any("novacron.cache.hit" in attributes for _, _, attributes in list(collector.spans)),
        "a span records the hit",
        10,
    )


def test_requests_succeed_while_the_collector_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    gateway = Gateway(tmp_path)
    try:
        gateway.start_workers("a")
        assert [gateway.ask({}).status_code for _ in range(20)] == [200] * 20
    finally:
        gateway.stop()
    assert gateway.coordinator.returncode == 0


def samples(url: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(HTTP.get(f"{url}/metrics").text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_worker_metrics_follow_the_opentelemetry_conventions(traced: Stack) -> None:
    labels = (("gen_ai_operation_name", "chat"), ("gen_ai_request_model", MODEL))
    before = samples(traced.worker_url("worker-0"))
    answers = [chat(traced.url, f"Hello {number}").json()["usage"] for number in range(3)]
    after = samples(traced.worker_url("worker-0"))

    def grew(name: str, *more: tuple[str, str]) -> float:
        key = (name, (*labels, *more))
        return after[key] - before.get(key, 0)

    for name in ("request_duration", "time_to_first_token", "time_per_output_token"):
        assert grew(f"gen_ai_server_{name}_seconds_count") == 3, name
    for kind, field_ in (("input", "prompt_tokens"), ("output", "completion_tokens")):
        tokens = grew("gen_ai_client_token_usage_sum", ("gen_ai_token_type", kind))
        assert tokens == sum(usage[field_] for usage in answers)
    names = {name for name, _ in after}
    assert {
        f"trtllm_{name}" for name in ("num_requests_waiting", "num_requests_running", "kv_cache_utilization")
    } <= names
    assert "trtllm_kv_cache_tokens_per_block" not in names  # the KV cache of the PyTorch engine has no blocks


def test_coordinator_metrics_count_running_and_finished_requests(gateway: Gateway) -> None:
    before = gateway.metric("gen_ai_server_request_duration_seconds_count")
    with gateway.stream({"*": {"chunks": 8, "every_s": 0.05}}):
        assert gateway.metric("trtllm_num_requests_running") == 1
    HTTP.post(f"{gateway.url}/v1/chat/completions", json=body({}), headers={"authorization": "Bearer sk-user"})
    wait_until(
        lambda: gateway.metric("gen_ai_server_request_duration_seconds_count") == before + 2,
        "both are counted",
        10,
    )


def test_time_to_first_token_counts_streamed_responses_only(gateway: Gateway) -> None:
    name = "gen_ai_server_time_to_first_token_seconds_count"
    before = gateway.metric(name)
    assert gateway.ask({"*": {"chunks": 2}}).status_code == 200
    with gateway.stream({"*": {"chunks": 2}}) as response:
        response.read()
    wait_until(lambda: gateway.metric(name) > before, "the stream is counted", 10)
    assert gateway.metric(name) == before + 1


def test_worker_reports_that_its_model_is_loaded(traced: Stack) -> None:
    assert samples(traced.worker_url("worker-0"))["novacron_model_loaded", ()] == 1
