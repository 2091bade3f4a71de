"""The coordinator's short way for chat, before workers that do what a test tells them: processes, sockets, clients."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from .conftest import HTTP, answers, free_port, start, wait_until
from .scripted_worker import MODEL

pytestmark = pytest.mark.xdist_group("serving")

ROOT = Path(__file__).parents[2]
KEYS = {
    "sk-user": {"name": "user"},
    "sk-admin": {"name": "admin", "role": "admin"},
    "sk-rare": {"name": "rare", "requests_per_minute": 2},
    "sk-first": {"name": "first", "priority": 5},
    "sk-other": {"name": "other"},
    "sk-own-1": {"name": "own-1", "cache": "own"},
    "sk-own-2": {"name": "own-2", "cache": "own"},
    "sk-shared-1": {"name": "shared-1", "cache": "shared"},
    "sk-shared-2": {"name": "shared-2", "cache": "shared"},
}


class Gateway:
    """A coordinator and scripted workers."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder = folder
        self.http_port, self.grpc_port = free_port(), free_port()
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: dict[str, int] = {}
        keys = [{"sha256": hashlib.sha256(key.encode()).hexdigest(), **said} for key, said in KEYS.items()]
        self.config = {
            "http_port": self.http_port,
            "grpc_port": self.grpc_port,
            "report_interval_s": 0.2,
            "lost_after_s": 5.0,
            "api_keys": keys,
            "routing": "least_loaded",
        } | config
        self.start()

    def start(self) -> None:
        self.coordinator = start("coordinator", self.config, self.folder)
        wait_until(lambda: answers(f"{self.url}/health"), "the coordinator lives")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def start_workers(self, *worker_ids: str, places: int = 64, key: str = "sk-admin", **environment: str) -> None:
        for worker_id in worker_ids:
            port = self.ports.setdefault(worker_id, free_port())
            self.workers[worker_id] = subprocess.Popen(
                [
                    sys.executable, "-m", "tests.serving.scripted_worker", worker_id, str(port),
                    f"127.0.0.1:{self.grpc_port}", str(places),
                ],
                cwd=ROOT,
                env={"NOVACRON_CLUSTER_TOKEN": "of-the-tests", "PATH": ""} | environment,
            )  # fmt: skip
        for worker_id in worker_ids:
            wait_until(lambda worker_id=worker_id: self.status(worker_id, key) == "active", f"{worker_id} is active")

    def status(self, worker_id: str, key: str = "sk-admin") -> str | None:
        told = self.get("/api/v1/llm/cluster/status", key).json()["workers"]
        return next((worker["status"] for worker in told if worker["worker_id"] == worker_id), None)

    def get(self, path: str, key: str = "sk-admin") -> httpx.Response:
        return HTTP.get(self.url + path, headers={"authorization": f"Bearer {key}"})

    def seen(self, worker_id: str) -> dict[str, Any]:
        return HTTP.get(f"http://127.0.0.1:{self.ports[worker_id]}/seen").json()

    def ask(self, script: dict[str, Any], *, key: str = "sk-user", **options: Any) -> httpx.Response:
        return HTTP.post(
            f"{self.url}/v1/chat/completions", json=body(script, **options), timeout=60,
            headers={"authorization": f"Bearer {key}"},
        )  # fmt: skip

    def stream(self, script: dict[str, Any], key: str = "sk-user", **more: str) -> Any:
        headers = {"authorization": f"Bearer {key}"} | more
        return HTTP.stream("POST", f"{self.url}/v1/chat/completions", json=body(script, stream=True), headers=headers,
                            timeout=60)  # fmt: skip

    def metric(self, name: str) -> float:
        lines = HTTP.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split("{")[0].split()[0] == name)

    def stop(self) -> None:
        for process in [*self.workers.values(), self.coordinator]:
            process.terminate()
        for process in [*self.workers.values(), self.coordinator]:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def body(script: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": json.dumps(script)}]} | options


def said(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"].split()[0]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two workers, which a test leaves alive."""
    made = Gateway(tmp_path_factory.mktemp("gateway"))
    try:
        made.start_workers("a", "b")
        yield made
    finally:
        made.stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Any]:
    """Made with a test's own configuration."""
    made: list[Gateway] = []

    def make(**config: Any) -> Gateway:
        made.append(Gateway(tmp_path / str(len(made)), **config))
        return made[-1]

    try:
        yield make
    finally:
        for one in made:
            one.stop()


# whose request it is


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic sk-user", "Bearer", "sk-user"])
def test_without_a_known_key_the_answer_is_401(gateway: Gateway, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    for path in ("/v1/chat/completions", "/v1/models"):
        method = "GET" if path.endswith("models") else "POST"
        answer = HTTP.request(method, gateway.url + path, headers=headers, json=body({}) if method == "POST" else None)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"


def test_health_readiness_and_metrics_need_no_key(gateway: Gateway) -> None:
    assert [HTTP.get(gateway.url + path).status_code for path in ("/health", "/ready", "/metrics")] == [200] * 3


def test_loading_a_model_needs_an_operator(gateway: Gateway) -> None:
    url = f"{gateway.url}/api/v1/llm/models/{MODEL}/load"
    refused = HTTP.post(url, headers={"authorization": "Bearer sk-user"}, json={})
    assert refused.status_code == 403
    assert "operator" in refused.json()["error"]["message"]
    assert HTTP.post(url, headers={"authorization": "Bearer sk-admin"}, json={}).status_code == 200


def test_a_key_has_its_own_rate(gateway: Gateway) -> None:
    statuses = [gateway.ask({}, key="sk-rare").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = gateway.ask({}, key="sk-rare")
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert gateway.ask({}).status_code == 200, "other keys are not meant"


def test_the_clients_key_never_reaches_a_worker(gateway: Gateway) -> None:
    said(gateway.ask({"*": {}}))
    seen = [request for worker in ("a", "b") for request in gateway.seen(worker)["requests"]]
    assert seen
    assert all(request["headers"]["authorization"] == "Bearer of-the-tests" for request in seen)
    assert all(request["headers"]["x-request-id"] for request in seen)


def test_a_request_keeps_its_id_and_its_trace(gateway: Gateway) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"authorization": "Bearer sk-user", "x-request-id": "mine-1", "traceparent": trace}
    answer = HTTP.post(f"{gateway.url}/v1/chat/completions", json=body({}), headers=headers)
    assert answer.headers["x-request-id"] == "mine-1"
    seen = [request["headers"] for worker in ("a", "b") for request in gateway.seen(worker)["requests"]]
    assert [one["traceparent"] for one in seen if one["x-request-id"] == "mine-1"] == [trace]


# what goes wrong at workers


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_another_worker_answers_what_one_cannot(gateway: Gateway, status: int) -> None:
    for failing, other in (("a", "b"), ("b", "a")):
        assert said(gateway.ask({failing: {"status": status}, "*": {}})) == other


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_the_clients_own_mistake_is_told_once_and_held_against_nobody(gateway: Gateway, status: int) -> None:
    retries = gateway.metric("novacron_retries_total")
    for _ in range(12):
        answer = gateway.ask({"*": {"status": status}})
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, "scripted")
    assert gateway.metric("novacron_retries_total") == retries
    assert {gateway.status("a"), gateway.status("b")} == {"active"}


def test_backpressure_is_no_failure(gateway: Gateway) -> None:
    for _ in range(12):
        answer = gateway.ask({"*": {"status": 503}})
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
    assert {gateway.status("a"), gateway.status("b")} == {"active"}


def test_a_worker_that_only_fails_rests_and_comes_back(fresh: Any) -> None:
    gateway = fresh(attempts=1)
    gateway.start_workers("bad")
    wait_until(lambda: gateway.ask({"*": {"status": 500}}).status_code == 503, "it rests", 10)
    wait_until(lambda: gateway.ask({}).status_code == 200, "it is tried again", 10)


def test_a_worker_that_dies_before_its_first_token_costs_nothing(fresh: Any) -> None:
    gateway = fresh()
    gateway.start_workers("a", "b")
    assert [said(gateway.ask({"a": {"die": "before"}, "*": {}})) for _ in range(8)] == ["b"] * 8
    assert gateway.workers["a"].wait(5) == -signal.SIGKILL


@pytest.mark.parametrize("how", ["middle", "torn"])
def test_a_stream_whose_worker_dies_does_not_look_whole(fresh: Any, how: str) -> None:
    gateway = fresh()
    gateway.start_workers("a")
    lines: list[str] = []
    with contextlib.suppress(httpx.RemoteProtocolError), gateway.stream({"*": {"die": how}}) as answer:
        lines.extend(answer.iter_lines())
    assert "data: [DONE]" not in lines
    if how == "middle":
        assert json.loads(lines[-2].removeprefix("data: "))["error"]["code"] == "overloaded"
    gateway.start_workers("a")
    wait_until(lambda: gateway.ask({}).status_code == 200, "it comes back", 10)


def test_all_workers_gone_and_back(fresh: Any) -> None:
    gateway = fresh()
    gateway.start_workers("a", "b")
    for worker in gateway.workers.values():
        worker.kill()
        worker.wait()
    assert gateway.ask({}).status_code == 503
    wait_until(lambda: answers(f"{gateway.url}/ready", 503), "it is not ready", 10)
    gateway.start_workers("a", "b")
    wait_until(lambda: answers(f"{gateway.url}/ready"), "it is ready again", 10)
    assert gateway.ask({}).status_code == 200


def test_a_worker_that_never_answers_is_given_up(fresh: Any) -> None:
    gateway = fresh(first_byte_timeout_s=0.5)
    gateway.start_workers("a")
    answer = gateway.ask({"*": {"hang": True}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    wait_until(lambda: gateway.seen("a")["aborted"] == 1, "the worker is told", 5)
    assert gateway.ask({}).status_code == 200


# room


def test_requests_wait_for_a_place_by_priority_and_then_each_key_in_turn(fresh: Any) -> None:
    gateway = fresh(worker_queue=0)
    gateway.start_workers("a", places=1)
    order: list[str] = []

    def ask(name: str, key: str) -> None:
        said(gateway.ask({"*": {"every_s": 0.02}}, key=key))
        order.append(name)

    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        gateway_busy = threads.submit(gateway.ask, {"*": {"every_s": 1}})
        wait_until(lambda: gateway.metric("trtllm_num_requests_running") == 1, "one is under way", 5)
        asked = [("u1", "sk-user"), ("u2", "sk-user"), ("u3", "sk-user"), ("o1", "sk-other"), ("f1", "sk-first")]
        for at, (name, key) in enumerate(asked, 1):
            threads.submit(ask, name, key)
            wait_until(lambda at=at: gateway.metric("trtllm_num_requests_waiting") == at, "it waits", 5)
        assert gateway_busy.result().status_code == 200
    assert order == ["f1", "u1", "o1", "u2", "u3"]


def test_who_waits_too_long_is_told(fresh: Any) -> None:
    gateway = fresh(worker_queue=0, queue_timeout_s=0.3)
    gateway.start_workers("a", places=1)
    with gateway.stream({"*": {"chunks": 20, "every_s": 0.1}}) as answer:
        lines = answer.iter_lines()
        next(lines)
        late = gateway.ask({})
        assert (late.status_code, late.json()["error"]["code"]) == (503, "overloaded")
        assert "data: [DONE]" in list(lines)


def test_beyond_the_bound_the_answer_is_429(fresh: Any) -> None:
    gateway = fresh(worker_queue=0, max_requests=2)
    gateway.start_workers("a", places=1)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        first = [threads.submit(gateway.ask, {"*": {"every_s": 0.1}}) for _ in range(2)]
        wait_until(lambda: gateway.metric("trtllm_num_requests_waiting") == 1, "one runs and one waits", 5)
        assert gateway.ask({}).status_code == 429
        assert [one.result().status_code for one in first] == [200, 200]


# clients


def test_a_thousand_streams_at_once(fresh: Any) -> None:
    gateway = fresh(max_requests=2000)
    gateway.start_workers("a", "b", places=1000)
    command = [sys.executable, "-m", "tests.serving.many_streams", str(gateway.http_port), "sk-user", "1000"]
    done = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=120).stdout)
    assert done == {"whole": 1000, "failed": 0}


def test_a_client_that_reads_slowly_holds_up_nobody_and_gets_all(gateway: Gateway) -> None:
    chunks = 20_000
    with gateway.stream({"*": {"chunks": chunks}}) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert [gateway.ask({}).status_code for _ in range(5)] == [200] * 5
        assert sum(line.startswith("data: {") for line in lines) == chunks


def test_a_client_that_leaves_ends_its_generation(gateway: Gateway) -> None:
    before = sum(gateway.seen(worker)["aborted"] for worker in ("a", "b"))
    with gateway.stream({"*": {"chunks": 1000, "every_s": 0.05}}) as answer:
        lines = answer.iter_lines()
        next(lines)
    leaving = httpx.Client(timeout=0.3)
    with pytest.raises(httpx.ReadTimeout):
        leaving.post(f"{gateway.url}/v1/chat/completions", json=body({"*": {"hang": True}}),
                     headers={"authorization": "Bearer sk-user"})  # fmt: skip
    leaving.close()
    wait_until(
        lambda: sum(gateway.seen(worker)["aborted"] for worker in ("a", "b")) == before + 2, "both are aborted", 5
    )
    wait_until(lambda: gateway.metric("trtllm_num_requests_running") == 0, "nothing is under way", 5)


def test_openais_client_streams(gateway: Gateway) -> None:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-user", max_retries=0) as client:
        stream = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "{}"}], stream=True)
        assert len([chunk for chunk in stream if chunk.choices[0].delta.content]) == 4
        with pytest.raises(openai.NotFoundError, match="not served here"):
            client.chat.completions.create(model="gpt-unknown", messages=[{"role": "user", "content": "{}"}])


# stopping


def test_told_to_stop_it_says_not_ready_serves_on_and_finishes_streams(fresh: Any) -> None:
    gateway = fresh(drain_notice_s=1.5)
    gateway.start_workers("a")
    with gateway.stream({"*": {"chunks": 30, "every_s": 0.1}}) as answer:
        lines = answer.iter_lines()
        next(lines)
        gateway.coordinator.terminate()
        wait_until(lambda: answers(f"{gateway.url}/ready", 503), "it is not ready", 1)
        late = gateway.ask({})
        assert late.status_code == 200, "load balancers may not have noticed yet"
        assert late.headers["connection"] == "close"
        assert "data: [DONE]" in list(lines)
    assert gateway.coordinator.wait(10) == 0


def test_workers_come_and_go_under_load_without_a_failed_request(fresh: Any) -> None:
    gateway = fresh()
    gateway.start_workers("a", "b", "c")
    stop, statuses = threading.Event(), []

    def ask() -> None:
        with httpx.Client(timeout=30, headers={"authorization": "Bearer sk-user"}) as client:
            while not stop.is_set():
                answer = client.post(f"{gateway.url}/v1/chat/completions", json=body({"*": {"every_s": 0.005}}))
                statuses.append(answer.status_code)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for worker_id in ("a", "b", "c"):
        gateway.workers[worker_id].kill()
        gateway.workers[worker_id].wait()
        time.sleep(0.3)
        gateway.start_workers(worker_id)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
    assert len(statuses) > 50


# bytes


def raw(gateway: Gateway, request: bytes, *, half_close: bool = False, wait_s: float = 5) -> bytes:
    """What comes back until the coordinator closes, or nothing more comes for a moment."""
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=wait_s) as connection:
        connection.sendall(request)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        got = b""
        connection.settimeout(0.7)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while piece := connection.recv(65536):
                got += piece
        return got


def post(content: bytes, *headers: str, path: str = "/v1/chat/completions", version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "host: x", "authorization: Bearer sk-user", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


CONTENT = json.dumps(body({})).encode()
LENGTH = f"content-length: {len(CONTENT)}"


def statuses(got: bytes) -> list[int]:
    return [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]]


def test_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    get = b"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-user\r\n\r\n"
    slow = json.dumps(body({"*": {"every_s": 0.05}})).encode()
    got = raw(gateway, post(slow, f"content-length: {len(slow)}") + get + post(CONTENT, LENGTH) + get)
    assert statuses(got) == [200] * 4
    kinds = [b"chat.completion" in part for part in got.split(b"HTTP/1.1 ")[1:]]
    assert kinds == [True, False, True, False]


def test_a_body_in_pieces_or_in_chunks_is_the_same(gateway: Gateway) -> None:
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(CONTENT[at : at + 7]), CONTENT[at : at + 7]) for at in
                       range(0, len(CONTENT), 7)) + b"0\r\n\r\n"  # fmt: skip
    assert statuses(raw(gateway, post(chunked, "transfer-encoding: chunked"))) == [200]
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=5) as connection:
        for byte in post(CONTENT, LENGTH):
            connection.sendall(bytes([byte]))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_http_1_0_gets_whole_answers_and_is_told_that_it_cannot_stream(gateway: Gateway) -> None:
    got = raw(gateway, post(CONTENT, LENGTH, version="1.0"))
    assert got.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in got
    streaming = json.dumps(body({}, stream=True)).encode()
    assert statuses(raw(gateway, post(streaming, f"content-length: {len(streaming)}", version="1.0"))) == [400]


def test_who_expects_100_is_told_to_continue(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=5) as connection:
        connection.sendall(post(b"", LENGTH, "expect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(CONTENT)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "request_",
    [
        post(CONTENT, LENGTH, "transfer-encoding: chunked"),
        post(CONTENT, LENGTH, f"content-length: {len(CONTENT) + 1}"),
        post(CONTENT, "content-length: -1"),
        post(CONTENT, "content-length: 0x10"),
        post(CONTENT, "transfer-encoding: chunked, identity"),
        post(b"zz\r\n", "transfer-encoding: chunked"),
        post(CONTENT, LENGTH, "bad header: x"),
        post(CONTENT, LENGTH, "x-\x00: y"),
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /v1/chat/completions HTTP/9.9\r\n\r\n",
    ],
)
def test_what_is_no_http_request_never_reaches_a_worker(gateway: Gateway, request_: bytes) -> None:
    before = sum(len(gateway.seen(worker)["requests"]) for worker in ("a", "b"))
    assert set(statuses(raw(gateway, request_))) <= {400}
    assert sum(len(gateway.seen(worker)["requests"]) for worker in ("a", "b")) == before
    assert gateway.ask({}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1//chat/completions", "//v1/chat/completions", "/v1/chat/completions/", "/v1/./chat/completions",
        "/V1/chat/completions", "/v1/chat%2Fcompletions", "/v1/chat/completions;x", "/v1/%63hat/completions",
    ],
)  # fmt: skip
def test_only_the_path_itself_is_the_path(gateway: Gateway, path: str) -> None:
    assert statuses(raw(gateway, post(CONTENT, LENGTH, path=path))) == [404]


def test_a_query_is_no_other_path_and_the_other_paths_work(gateway: Gateway) -> None:
    for path in ("/v1/chat/completions?api-version=1", "/api/v1/llm/chat/completions"):
        assert statuses(raw(gateway, post(CONTENT, LENGTH, path=path))) == [200]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"model": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1e999",
    ],
)
def test_what_is_no_json_object_is_the_clients_mistake(gateway: Gateway, content: bytes) -> None:
    answer = HTTP.post(
        f"{gateway.url}/v1/chat/completions", content=content, headers={"authorization": "Bearer sk-user"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("model", [None, 1, [], {}, True])
def test_a_model_is_a_text(gateway: Gateway, model: Any) -> None:
    answer = HTTP.post(f"{gateway.url}/v1/chat/completions", json=body({}) | {"model": model},
                        headers={"authorization": "Bearer sk-user"})  # fmt: skip
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")


def test_a_body_of_100_mb_is_refused_before_it_is_read(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=10) as connection:
        connection.sendall(post(b"", "content-length: 100000000"))
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")
    endless = b"%x\r\n%b\r\n" % (65536, b" " * 65536)
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=10) as connection:
        connection.sendall(post(b"", "transfer-encoding: chunked"))
        with contextlib.suppress(ConnectionError):
            for _ in range(1600):
                connection.sendall(endless)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(4096).startswith(b"HTTP/1.1 413")
    assert gateway.ask({}).status_code == 200


def test_headers_have_a_bound(gateway: Gateway) -> None:
    for endless in (b"x-a: %b\r\n" % (b"y" * 1000), b"y" * 1000):
        with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=10) as connection:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nx-first: ")
            with pytest.raises(ConnectionError):  # noqa: PT012 - it is closed at some time
                for _ in range(20_000):
                    connection.sendall(endless)
    assert gateway.ask({}).status_code == 200


def test_a_keys_tokens_are_those_that_went_in_and_came_out(fresh: Any) -> None:
    keys = [
        {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "tokens_per_minute": 100}
        for name in ("whole", "streams", "leaves")
    ]
    admin = {"name": "admin", "sha256": hashlib.sha256(b"sk-admin").hexdigest(), "role": "admin"}
    gateway = fresh(api_keys=[*keys, admin])
    gateway.start_workers("a")
    script = {"*": {"chunks": 120}}
    assert gateway.ask(script, key="whole").status_code == 200
    with gateway.stream(script, key="streams") as answer:
        assert ": usage" in answer.read().decode()
    with gateway.stream({"*": {"chunks": 300, "every_s": 0.002}}, key="leaves") as answer:
        lines = answer.iter_lines()
        for _ in range(500):
            next(lines)
    for key in ("whole", "streams", "leaves"):
        wait_until(lambda key=key: gateway.ask({}, key=key).status_code == 429, "its tokens are used up", 5)
