"""Our certificates with the controllers and the webhook of cert-manager.

The test's program runs the packages of cert-manager's module (tools/cluster/modules/cert-manager). It has no solvers
of ACME, so that a public certificate is tested up to the account of its issuer.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from novacron_infra.workloads.cluster_tls import SERVER_NAME
from novacron_serving.cluster_tls import ClusterTls, ClusterTlsConfig, read_dns_names

from tests.cluster.controllers import definitions, prepare, serve_webhooks
from tests.definitions import read_definitions
from tests.polling import free_port, listens, wait_until
from tests.rehearsal.kubernetes.lab import ClusterLab
from tools.cluster.binaries import CERT_MANAGER
from tools.cluster.certificates import Authority
from tools.cluster.cluster import Cluster

PROGRAM = """
from dataclasses import replace

from novacron_infra.workloads import cluster_tls
from novacron_infra.workloads.cert_manager import CERTIFICATE
from novacron_infra.workloads.custom_resources import declare_custom_resource
from novacron_infra.workloads.pods import label_object

names = ("tls-workers", "tls-coordinators")
spaces = [k8s.core.v1.Namespace(name, metadata=Meta(name=name), opts=on) for name in names]
made = cluster_tls.declare_cluster_tls("tls", "tls-workers", "tls-coordinators", O(provider=cluster, depends_on=spaces))
spec = cluster_tls.describe_certificate("llm-workers")
declare_custom_resource(
    "short",
    CERTIFICATE,
    label_object("short", "tls-workers", "short"),
    replace(spec, secret_name="short", duration="DURATION", renew_before="RENEW_BEFORE"),
    O(provider=cluster, depends_on=made),
)
"""
PUBLIC = """
from novacron_infra.workloads import certificates
from novacron_infra.workloads.cert_manager import Route53Solver

certificates.LETS_ENCRYPT = "https://127.0.0.1:PORT/directory"
certificates.ACCOUNT_TIMEOUT_S = 5
certificates.declare_public_certificate(
    "api",
    certificates.CertificateNames(dns_names=("llm.example.com",)),
    Route53Solver(zone_id="Z0123456789", role="arn:aws:iam::123456789012:role/novacron-dns"),
    O(provider=cluster),
)
"""


@pytest.fixture(scope="module")
def certified(plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run cert-manager for the control plane."""
    folder = tmp_path_factory.mktemp("cert-manager")
    processes = prepare((CERT_MANAGER,), folder)
    port, authority = free_port(), Authority(folder / "webhook")
    pair = authority.issue("tls", "webhook", addresses=("127.0.0.1",))
    webhooks = serve_webhooks(describe_webhooks(), port, authority.certificate_file)
    plane.kubectl("create", "namespace", "cert-manager")
    with definitions(plane, read_definitions("cert-manager.io")):
        processes.start(
            CERT_MANAGER.name,
            *("--kubeconfig", str(plane.kubeconfig), "--webhook-port", str(port)),
            *("--webhook-certificate", str(pair.certificate_file), "--webhook-key", str(pair.key_file)),
        )
        try:
            processes.wait_until("the webhook of cert-manager", lambda: listens(port))
            plane.kubectl("create", "-f", "-", given=webhooks)
            yield plane
        finally:
            plane.kubectl("delete", "--ignore-not-found", "-f", "-", given=webhooks)
            processes.stop()
    plane.kubectl("delete", "namespace", "cert-manager", "--wait=false")


def describe_webhooks() -> list[dict[str, Any]]:
    """The configurations that the chart installs."""
    everything = {
        "apiGroups": ["cert-manager.io", "acme.cert-manager.io"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["*/*"],
    }
    requests = {
        "apiGroups": ["cert-manager.io"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["certificaterequests"],
    }
    return [
        _describe_webhook("MutatingWebhookConfiguration", "/mutate", requests),
        _describe_webhook("ValidatingWebhookConfiguration", "/validate", everything),
    ]


def _describe_webhook(kind: str, path: str, rule: dict[str, Any]) -> dict[str, Any]:
    webhook = {
        "name": "webhook.cert-manager.io",
        "rules": [rule],
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "clientConfig": {"service": {"path": path}},
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "cert-manager-webhook"},
        "webhooks": [webhook],
    }


def program(*, duration: str = "1h", renew_before: str = "59m55s") -> str:
    return PROGRAM.replace("DURATION", duration).replace("RENEW_BEFORE", renew_before)


def write_secret(cluster: Cluster, namespace: str, name: str, folder: Path) -> ClusterTlsConfig:
    """Write a Secret as the kubelet does, for a coordinator or a worker."""
    folder.mkdir(exist_ok=True)
    for key, value in cluster.get("secret", name, "-n", namespace)["data"].items():
        (folder / key).write_bytes(base64.b64decode(value))
    return ClusterTlsConfig(certificate=folder / "tls.crt", key=folder / "tls.key", ca=folder / "ca.crt")


def connect(server: ClusterTls, client: ClusterTls) -> tuple[list[str], list[str]]:
    """Connect two sides by mutual TLS. Returns the DNS names that the client and the server have seen."""

    async def serve() -> tuple[list[str], list[str]]:
        seen: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            seen.set_result(read_dns_names(writer.get_extra_info("peercert")))
            writer.close()

        async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=server.server) as listener:
            port = listener.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=client.client, server_hostname=client.server_name
            )
            writer.write(b"hello\n")
            names = read_dns_names(writer.get_extra_info("peercert"))
            shown = await asyncio.wait_for(seen, 10)
            writer.close()
            return names, shown

    return asyncio.run(serve())


def test_coordinators_and_workers_trust_each_other_and_renewed_certificates(
    certified: Cluster, lab: ClusterLab, tmp_path: Path
) -> None:
    up = lab.up(program())
    assert up.succeeded, up.errors
    for namespace, name in (("tls-coordinators", "llm-coordinator-tls"), ("tls-workers", "llm-workers-tls")):
        certified.kubectl("wait", "--for=condition=Ready", f"certificate/{name}", "-n", namespace, "--timeout=60s")
    coordinator = ClusterTls(write_secret(certified, "tls-coordinators", "llm-coordinator-tls", tmp_path / "c"))
    worker = ClusterTls(write_secret(certified, "tls-workers", "llm-workers-tls", tmp_path / "w"))
    for server, client in ((coordinator, worker), (worker, coordinator)):
        client_saw, server_saw = connect(server, client)
        assert client.has_cluster_name(client_saw)
        assert server.has_cluster_name(server_saw)
    _check_stranger(worker, tmp_path / "other")

    # cert-manager accepts no shorter life than an hour, so that the time of the renewal is shortened.
    def revision() -> int:
        return certified.get("certificate", "short", "-n", "tls-workers").get("status", {}).get("revision", 0)

    wait_until(lambda: revision() >= 1, "the short certificate was issued")
    renewed = ClusterTls(write_secret(certified, "tls-workers", "short", tmp_path / "s"))
    first = {name: (tmp_path / "s" / name).read_bytes() for name in ("tls.crt", "tls.key", "ca.crt")}
    before = revision()
    wait_until(lambda: revision() > before, "the short certificate was renewed")
    write_secret(certified, "tls-workers", "short", tmp_path / "s")
    changed = {name for name, content in first.items() if (tmp_path / "s" / name).read_bytes() != content}
    assert changed == {"tls.crt", "tls.key"}
    renewed.renew()
    assert renewed.has_cluster_name(connect(renewed, coordinator)[0])
    assert lab.steps(lab.run("preview")) == []
    removed = lab.run("destroy")
    assert removed.succeeded, removed.errors


def _check_stranger(worker: ClusterTls, folder: Path) -> None:
    """A certificate of another authority with the same name is rejected."""
    other = Authority(folder)
    pair = other.issue("stranger", "stranger", addresses=(SERVER_NAME,))
    config = ClusterTlsConfig(certificate=pair.certificate_file, key=pair.key_file, ca=other.certificate_file)
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(ClusterTls(config), worker)


def test_the_webhook_refuses_a_renewal_before_the_beginning(certified: Cluster, lab: ClusterLab) -> None:
    refused = lab.up(program(duration="1h", renew_before="2h"))
    assert "spec.renewBefore: Invalid value" in refused.errors
    assert lab.run("destroy").succeeded


def test_an_issuer_that_does_not_reach_acme(certified: Cluster, lab: ClusterLab) -> None:
    refused = lab.up(PUBLIC.replace("PORT", str(free_port())))
    assert not refused.succeeded
    assert "ClusterIssuer llm-api-tls is not ready after" in refused.errors
    assert "connection refused" in refused.errors
    assert lab.run("destroy").succeeded
