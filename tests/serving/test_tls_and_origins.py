"""TLS of the coordinator's port, renewed certificates, and pages of other origins."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.polling import free_port, wait_until

from .gateway import Gateway, body
from .stack import HTTP, answers, start

pytestmark = pytest.mark.xdist_group("gateway")


def certificate(folder: Path, name: str) -> dict[str, str]:
    """Write a self-signed certificate with this name, always to the same files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = {"certificate": folder / "tls.crt", "key": folder / "tls.key"}
    pem = serialization.Encoding.PEM
    files["key"].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    files["certificate"].write_bytes(made.public_bytes(pem))
    return {field: str(path) for field, path in files.items()}


def presented_name(port: int) -> str:
    """Return the name in the certificate that a new connection gets."""
    given = x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode())
    return str(given.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_tls_certificate_is_renewed_without_a_restart(tmp_path: Path) -> None:
    files = certificate(tmp_path, "first")
    port, grpc_port = free_port(), free_port()
    coordinator = start("coordinator", {"http_port": port, "grpc_port": grpc_port, "tls": files}, tmp_path / "logs")

    def lives() -> bool:
        try:
            return presented_name(port) == "first"
        except OSError:
            return False

    try:
        wait_until(lives, "the coordinator is alive", 30)
        stay = httpx.Limits(keepalive_expiry=60)
        context = ssl.create_default_context(cafile=files["certificate"])
        with httpx.Client(base_url=f"https://localhost:{port}", verify=context, trust_env=False, limits=stay) as client:
            assert client.get("/health").status_code == 200
            refused = client.post("/v1/chat/completions", json=body({}))
            assert refused.status_code == 503
            certificate(tmp_path, "second")
            wait_until(lambda: presented_name(port) == "second", "the certificate is renewed", 15)
            assert client.get("/health").status_code == 200, "open connections survive"
        with pytest.raises(httpx.TransportError):
            HTTP.get(f"http://127.0.0.1:{port}/health")
    finally:
        coordinator.terminate()
        coordinator.wait(10)


def test_tls_has_a_port_of_its_own_next_to_plain_http(tmp_path: Path) -> None:
    files = certificate(tmp_path, "first")
    port, tls_port, grpc_port = free_port(), free_port(), free_port()
    config = {"http_port": port, "grpc_port": grpc_port, "tls": files | {"port": tls_port}}
    coordinator = start("coordinator", config, tmp_path / "logs")
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), "the coordinator is alive", 30)
        with httpx.Client(verify=ssl.create_default_context(cafile=files["certificate"]), trust_env=False) as client:
            assert client.get(f"https://localhost:{tls_port}/health").status_code == 200
            assert client.post(f"https://localhost:{tls_port}/v1/chat/completions", json=body({})).status_code == 503
        certificate(tmp_path, "second")
        wait_until(lambda: presented_name(tls_port) == "second", "the certificate is renewed", 15)
    finally:
        coordinator.terminate()
        assert coordinator.wait(10) == 0


@pytest.mark.parametrize("with_tls", [False, True])
def test_metrics_have_a_port_of_their_own_with_nothing_else(tmp_path: Path, with_tls: bool) -> None:
    port, metrics_port = free_port(), free_port()
    config: dict[str, Any] = {"http_port": port, "grpc_port": 0, "metrics_port": metrics_port}
    if with_tls:
        config["tls"] = certificate(tmp_path, "first") | {"port": free_port()}
    coordinator = start("coordinator", config, tmp_path / "logs")
    metrics = f"http://127.0.0.1:{metrics_port}"
    try:
        wait_until(lambda: answers(f"{metrics}/metrics"), "the coordinator is alive", 30)
        read = HTTP.get(f"{metrics}/metrics")
        assert "novacron_workers_minimum 1.0" in read.text
        assert read.headers["x-content-type-options"] == "nosniff"
        for path in ("/health", "/v1/models", "/api/v1/llm/cluster/status", "/"):
            assert HTTP.get(metrics + path).status_code == 404
        assert HTTP.post(f"{metrics}/v1/chat/completions", json=body({})).status_code == 404
        assert HTTP.get(f"http://127.0.0.1:{port}/health").status_code == 200
        assert HTTP.get(f"http://127.0.0.1:{port}/metrics").status_code == 404
    finally:
        coordinator.terminate()
        assert coordinator.wait(10) == 0


def test_taken_metrics_port_is_named_at_start(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        config = {"http_port": 0, "grpc_port": 0, "metrics_port": port}
        coordinator = start("coordinator", config, tmp_path / "logs")
        assert coordinator.wait(30) == 2
    (log,) = (tmp_path / "logs").glob("*.log")
    assert f"metrics_port {port} on 127.0.0.1 cannot be used" in log.read_text()


def test_taken_tls_port_is_named_at_start(tmp_path: Path) -> None:
    files = certificate(tmp_path, "first")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        tls = files | {"port": port}
        coordinator = start("coordinator", {"http_port": 0, "grpc_port": 0, "tls": tls}, tmp_path / "logs")
        assert coordinator.wait(30) == 2
    (log,) = (tmp_path / "logs").glob("*.log")
    assert f"tls.port {port} on 127.0.0.1 cannot be used" in log.read_text()


def test_invalid_certificate_is_named_at_start(tmp_path: Path) -> None:
    files = certificate(tmp_path, "first")
    (tmp_path / "tls.crt").write_text("nothing")
    coordinator = start("coordinator", {"http_port": 0, "grpc_port": 0, "tls": files}, tmp_path / "logs")
    assert coordinator.wait(30) == 2
    (log,) = (tmp_path / "logs").glob("*.log")
    assert "tls.crt' and tls.key cannot be used" in log.read_text()


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Gateway]]:
    made = {
        "closed": Gateway(tmp_path_factory.mktemp("closed")),
        "open": Gateway(tmp_path_factory.mktemp("open"), cors_origins=["https://chat.example.com"]),
    }
    try:
        for one in made.values():
            one.start_workers("a")
        yield made
    finally:
        for one in made.values():
            one.stop()


def ask(gateway: Gateway, origin: str, method: str = "POST", path: str = "/v1/chat/completions") -> httpx.Response:
    headers = {"origin": origin, "authorization": "Bearer sk-user"}
    if method == "OPTIONS":
        headers |= {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    return HTTP.request(method, gateway.url + path, headers=headers, json=body({}) if method == "POST" else None)


@pytest.mark.parametrize(("name", "origin", "allowed"), [
    ("closed", "https://chat.example.com", False),
    ("open", "https://chat.example.com", True),
    ("open", "https://evil.example.com", False),
    ("open", "null", False),
])  # fmt: skip
def test_only_pages_of_cors_origins_may_read_responses(
    gateways: dict[str, Gateway], name: str, origin: str, allowed: bool
) -> None:
    gateway = gateways[name]
    responses: list[httpx.Response] = [
        ask(gateway, origin),
        ask(gateway, origin, "GET", "/v1/models"),
        HTTP.post(f"{gateway.url}/v1/chat/completions", content=b"{", headers={"origin": origin}),
        ask(gateway, origin, "OPTIONS"),
    ]
    for response in responses:
        assert (response.headers.get("access-control-allow-origin") == origin) is allowed
