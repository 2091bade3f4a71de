"""Mutual TLS between coordinators and workers: connections are encrypted, and both sides need a certificate."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from novacron_serving.cluster_tls import ClusterTls, ClusterTlsConfig
from novacron_serving.protocol import worker_pb2
from novacron_serving.protocol.worker_pb2_grpc import WorkersStub

from tests.fork_server import start_fork_server
from tests.polling import free_port, wait_until

from .certificates import Authority
from .gateway import Gateway
from .relay import Relay
from .stack import COORDINATOR, HTTP, MODEL, TOKEN, Stack, answers, start

pytestmark = pytest.mark.xdist_group("gateway")

WITH_TOKEN = {"authorization": f"Bearer {TOKEN}"}
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 8}


class Encrypted(Stack):
    """A coordinator and a real worker with certificates."""

    tls: dict[str, str]

    def coordinator_config(self) -> dict[str, Any]:
        return super().coordinator_config() | {"cluster_tls": self.tls}

    def worker_config(self, worker_id: str, port: int) -> dict[str, Any]:
        return super().worker_config(worker_id, port) | {"cluster_tls": self.tls}

    def start_worker(self) -> None:
        port = self.worker_ports["w"] = free_port()
        self.workers["w"] = start("worker", self.worker_config("w", port), self.folder)
        wait_until(lambda: answers(f"{self.url}/ready"), "the worker has registered")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def other() -> Authority:
    return Authority("somebody else's")


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Encrypted]:
    folder = tmp_path_factory.mktemp("encrypted")
    made = Encrypted(folder)
    made.tls = authority.issue(folder / "tls")
    try:
        made.start_coordinator()
        made.start_worker()
        yield made
    finally:
        made.stop()


def context(ca: bytes, files: dict[str, str] | None = None) -> ssl.SSLContext:
    made = ssl.create_default_context(cadata=ca.decode())
    made.check_hostname = False
    if files is not None:
        made.load_cert_chain(files["certificate"], files["key"])
    return made


def asks(port: int, verify: ssl.SSLContext) -> httpx.Client:
    return httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=verify, trust_env=False, headers=WITH_TOKEN)


def log_of(folder: Path, module: str) -> str:
    return "".join(path.read_text() for path in sorted(folder.glob(f"{module}-*.log")))


def test_chat_and_streams_work_over_mutual_tls(encrypted: Encrypted) -> None:
    with encrypted.client() as client:
        whole = client.chat.completions.create(**CHAT, temperature=0)  # type: ignore[call-overload]
        assert whole.choices[0].message.content
        stream = client.chat.completions.create(**CHAT, temperature=0, stream=True)  # type: ignore[call-overload]
        pieces = [event.choices[0].delta.content or "" for event in stream if event.choices]
        assert "".join(pieces) == whole.choices[0].message.content
    assert HTTP.get(f"{encrypted.url}/api/v1/llm/cluster/status").json()["workers"][0]["distrust"] is None


def test_without_a_certificate_a_worker_serves_probes_only(encrypted: Encrypted, authority: Authority) -> None:
    with asks(encrypted.worker_ports["w"], context(authority.pem)) as kubelet:
        for path in ("/health", "/ready", "/metrics"):
            assert kubelet.get(path).status_code == 200
        for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/V1/models")):
            refused = kubelet.request(method, path, json=CHAT)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "certificate_required")


def test_a_certificate_does_not_replace_the_token(encrypted: Encrypted, authority: Authority, tmp_path: Path) -> None:
    verify = context(authority.pem, authority.issue(tmp_path))
    with asks(encrypted.worker_ports["w"], verify) as client:
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 200
        refused = client.post("/v1/chat/completions", json=CHAT, headers={"authorization": "Bearer wrong"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_certificate_of_the_same_ca_with_another_name_is_rejected(
    encrypted: Encrypted, authority: Authority, tmp_path: Path
) -> None:
    files = authority.issue(tmp_path, name="billing")
    with asks(encrypted.worker_ports["w"], context(authority.pem, files)) as client:
        assert client.get("/health").status_code == 200
        assert client.post("/v1/chat/completions", json=CHAT).json()["error"]["code"] == "certificate_required"
    with pytest.raises(grpc.aio.AioRpcError, match="does not contain the cluster's name, novacron-cluster"):
        asyncio.run(register(encrypted.grpc_port, authority.pem, files))


def test_certificates_of_another_ca_are_rejected_in_the_handshake(
    encrypted: Encrypted, authority: Authority, other: Authority, tmp_path: Path
) -> None:
    files = other.issue(tmp_path)
    with (
        asks(encrypted.worker_ports["w"], context(authority.pem, files)) as client,
        pytest.raises(httpx.TransportError),
    ):
        client.get("/health")
    for shown in (files, None):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            asyncio.run(register(encrypted.grpc_port, authority.pem, shown))
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE


def test_plain_text_connections_are_rejected(encrypted: Encrypted) -> None:
    with pytest.raises(httpx.TransportError):
        HTTP.get(f"http://127.0.0.1:{encrypted.worker_ports['w']}/health")

    async def plain() -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{encrypted.grpc_port}") as channel:
            stub: Any = WorkersStub(channel)
            await stub.Register(worker_pb2.RegisterRequest(worker_id="x"), metadata=metadata(), timeout=5)

    with pytest.raises(grpc.aio.AioRpcError):
        asyncio.run(plain())


def test_older_tls_versions_are_rejected(encrypted: Encrypted, authority: Authority) -> None:
    verify = context(authority.pem)
    verify.maximum_version = ssl.TLSVersion.TLSv1_2
    with asks(encrypted.worker_ports["w"], verify) as client, pytest.raises(httpx.TransportError):
        client.get("/health")


def metadata() -> Any:
    return (("authorization", f"Bearer {TOKEN}"),)


async def register(grpc_port: int, ca: bytes, files: dict[str, str] | None, address: str = "127.0.0.1:1") -> None:
    key, certificate = (Path(files[field]).read_bytes() if files else None for field in ("key", "certificate"))  # noqa: ASYNC240 - nothing else runs
    credentials = grpc.ssl_channel_credentials(ca, key, certificate)
    options = (("grpc.ssl_target_name_override", "novacron-cluster"),)
    async with grpc.aio.secure_channel(f"127.0.0.1:{grpc_port}", credentials, options=options) as channel:
        stub: Any = WorkersStub(channel)
        asked = worker_pb2.RegisterRequest(
            worker_id="x", address=address, model_id="scripted", max_concurrent_requests=4
        )
        await stub.Register(asked, metadata=metadata(), timeout=5)


# with scripted workers


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[list[Gateway]]:
    made: list[Gateway] = []
    try:
        yield made
    finally:
        for one in made:
            one.stop()


def gateway_of(gateways: list[Gateway], folder: Path, tls: dict[str, str]) -> Gateway:
    gateways.append(Gateway(folder, cluster_tls=tls))
    return gateways[-1]


def test_a_worker_registers_with_several_coordinators_over_mutual_tls(
    tmp_path: Path, authority: Authority, gateways: list[Gateway]
) -> None:
    one = gateway_of(gateways, tmp_path / "one", authority.issue(tmp_path / "tls-one"))
    two = gateway_of(gateways, tmp_path / "two", authority.issue(tmp_path / "tls-two"))
    one.start_workers("a", also=[two], CLUSTER_TLS=json.dumps(authority.issue(tmp_path / "tls-a")))
    for gateway in (one, two):
        wait_until(lambda gateway=gateway: gateway.status("a") == "active", "it is known to both", 10)
        assert gateway.ask({}).status_code == 200


@pytest.mark.parametrize(("case", "reason"), [
    ("worker of another CA", "check that both sides use the same CA"),
    ("coordinator of another CA", "its certificate is not signed by a CA that this side trusts"),
    ("worker with another name", "its certificate is rejected: Hostname mismatch"),
    ("coordinator without", "it does not use TLS; set cluster_tls there too"),
    ("worker without", "Socket closed"),
])  # fmt: skip
def test_a_worker_with_a_rejected_certificate_logs_the_reason_once(
    tmp_path: Path, authority: Authority, other: Authority, gateways: list[Gateway], case: str, reason: str
) -> None:
    both = authority.pem + other.pem
    files: dict[str, str] | None = authority.issue(tmp_path / "one")
    own: dict[str, str] | None = authority.issue(tmp_path / "two")
    if case == "worker of another CA":
        own = other.issue(tmp_path / "two", ca=both)
    elif case == "coordinator of another CA":
        files = other.issue(tmp_path / "one", ca=both)
    elif case == "worker with another name":
        own = authority.issue(tmp_path / "two", name="billing") | {"server_name": "billing"}
    elif case == "coordinator without":
        files = None
    else:
        own = None
    gateways.append(Gateway(tmp_path / "gateway", cluster_tls=files))
    environment = {"NOVACRON_CLUSTER_TOKEN": TOKEN, "PATH": ""} | ({"CLUSTER_TLS": json.dumps(own)} if own else {})
    arguments = ["a", str(free_port()), f"127.0.0.1:{gateways[0].grpc_port}"]
    log = tmp_path / "worker.log"
    with log.open("wb") as to:
        server = start_fork_server(*COORDINATOR)
        worker = server.start("tests.serving.scripted_worker", arguments, environment, output=to)
    try:
        wait_until(lambda: reason in log.read_text(), "the reason is logged", 20)
        time.sleep(1.5)
        assert log.read_text().count("coordinator 127.0.0.1:") == 1
        assert gateways[0].get("/api/v1/llm/cluster/status").json()["workers"] == []
    finally:
        worker.kill()
        worker.wait()


def test_a_worker_that_cannot_be_verified_is_listed_and_logged_once_with_the_reason(
    tmp_path: Path, authority: Authority, other: Authority, gateways: list[Gateway]
) -> None:
    files = authority.issue(tmp_path / "tls")
    gateway = gateway_of(gateways, tmp_path / "one", files)
    stranger = ClusterTls(ClusterTlsConfig.model_validate(other.issue(tmp_path / "other")))
    seen: list[bytes] = []

    def listen(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with contextlib.suppress(OSError), stranger.server.wrap_socket(connection, server_side=True) as inside:
                    seen.append(inside.recv(1))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, args=(listener,), daemon=True).start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        asyncio.run(register(gateway.grpc_port, authority.pem, files, address))
        first = gateway.ask({})
        assert first.status_code == 503
        wait_until(lambda: gateway.status("x") == "active", "the ejection has ended")
        gateway.ask({})
        workers = gateway.get("/api/v1/llm/cluster/status").json()["workers"]
        assert workers[0]["distrust"] == "its certificate is not signed by a CA that this side trusts"
    assert log_of(gateway.folder, "coordinator").count("cannot connect to the worker") == 1
    assert seen == [], "it was sent something"


@pytest.mark.parametrize("encrypted_", [True, False], ids=["tls", "plain"])
def test_prompts_responses_and_the_token_are_encrypted_on_the_network(
    tmp_path: Path, authority: Authority, gateways: list[Gateway], encrypted_: bool
) -> None:
    files = authority.issue(tmp_path / "tls") if encrypted_ else None
    gateway = Gateway(tmp_path / "one", cluster_tls=files)
    gateways.append(gateway)
    gateway.ports["listener-in-wait"] = free_port()
    http, to_grpc = Relay(gateway.ports["listener-in-wait"]), Relay(gateway.grpc_port)
    gateway.grpc_port = to_grpc.port
    more: dict[str, Any] = {"CLUSTER_TLS": json.dumps(files)} if files else {}
    try:
        gateway.start_workers("listener-in-wait", ADVERTISED_PORT=str(http.port), **more)
        secret = {"a very secret prompt": {}}
        assert gateway.ask(secret).status_code == 200
        with gateway.stream(secret) as stream:
            assert "[DONE]" in "".join(stream.iter_text())
        for relay, words in (
            (http, (b"a very secret prompt", b"chat.completion", TOKEN.encode(), b"/v1/")),
            (to_grpc, (b"listener-in-wait", b"scripted")),
        ):
            assert len(relay.recorded) > 500
            for word in words:
                assert (word in relay.recorded) is not encrypted_, word
    finally:
        http.close()
        to_grpc.close()


def shown_serial(port: int, ca: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), 5) as raw:
        verify = context(ca)
        verify.set_alpn_protocols(["h2", "http/1.1"])
        with verify.wrap_socket(raw) as inside:
            return str(dict(inside.getpeercert() or {})["serialNumber"])


def test_certificates_and_the_ca_are_replaced_without_a_failed_request(
    tmp_path: Path, authority: Authority, other: Authority, gateways: list[Gateway]
) -> None:
    """The usual steps: trust both CAs, then use certificates of the new one, then trust the new one only."""
    folders = [tmp_path / "tls-coordinator", tmp_path / "tls-worker"]
    of_coordinator, of_worker = (authority.issue(folder) for folder in folders)
    gateway = gateway_of(gateways, tmp_path / "one", of_coordinator)
    gateway.start_workers("a", CLUSTER_TLS=json.dumps(of_worker))
    ports = (gateway.ports["a"], gateway.grpc_port)
    both = authority.pem + other.pem
    statuses: list[int] = []
    over = threading.Event()

    def stream() -> str:
        with gateway.stream({"*": {"chunks": 300, "every_s": 0.1}}) as answer:
            return "".join(answer.iter_text())

    def load() -> None:
        while not over.wait(0.01):
            statuses.append(gateway.ask({}).status_code)

    with ThreadPoolExecutor(16) as pool:
        long, loading = pool.submit(stream), pool.submit(load)
        try:
            for signer, trusted in ((authority, both), (other, both), (other, other.pem)):
                before = [shown_serial(port, both) for port in ports]
                for folder in folders:
                    signer.issue(folder, ca=trusted)
                for port, serial in zip(ports, before, strict=True):
                    wait_until(lambda port=port, serial=serial: shown_serial(port, both) != serial, "it is read", 15)
                # This many requests at once need new connections.
                burst = [pool.submit(gateway.ask, {"*": {"every_s": 0.05}}) for _ in range(10)]
                statuses += [one.result().status_code for one in burst]
            old = authority.issue(tmp_path / "old")
            with asks(ports[0], context(both, old)) as client, pytest.raises(httpx.TransportError):
                client.get("/health")
            with pytest.raises(grpc.aio.AioRpcError):
                asyncio.run(register(gateway.grpc_port, both, old))
            gateway.start_workers("b", CLUSTER_TLS=json.dumps(of_worker))
            assert set(statuses) == {200}
            assert not long.done(), "it is to outlast all of this"
            assert "[DONE]" in long.result(60)
        finally:
            over.set()
        loading.result(10)


def test_invalid_files_do_not_replace_the_current_certificate(
    tmp_path: Path, authority: Authority, other: Authority, gateways: list[Gateway]
) -> None:
    files = authority.issue(tmp_path / "tls")
    gateway = gateway_of(gateways, tmp_path / "one", files)
    other.issue(tmp_path / "tls", ca=authority.pem)
    warning = "continuing with the previous certificate: cluster_tls.certificate"
    wait_until(lambda: warning in log_of(gateway.folder, "coordinator"), "the warning is logged", 15)
    gateway.start_workers("a", CLUSTER_TLS=json.dumps(authority.issue(tmp_path / "tls-worker")))
    assert gateway.ask({}).status_code == 200
    assert log_of(gateway.folder, "coordinator").count(warning) == 1


@pytest.mark.parametrize(("broken", "message"), [
    ({"days": -1}, "tls.crt' is not valid with cluster_tls.ca"),
    ({"name": "billing"}, "add cluster_tls.server_name to its DNS names"),
    ({"ca": b"nothing"}, "ca.crt' has no certificate in PEM"),
])  # fmt: skip
def test_a_process_does_not_start_with_invalid_files(
    tmp_path: Path, authority: Authority, broken: dict[str, Any], message: str
) -> None:
    files = authority.issue(tmp_path / "tls", **broken)
    process = start("coordinator", {"http_port": 0, "grpc_port": 0, "cluster_tls": files}, tmp_path / "logs")
    assert process.wait(30) == 2
    assert message in log_of(tmp_path / "logs", "coordinator")
