"""Probes of containers: over HTTP, by a connection, or by a command."""

from __future__ import annotations

import pulumi_kubernetes as k8s

_TIMEOUT_S = 5


def http_probe(path: str, port: str, *, period_s: int, failures: int, https: bool = False) -> k8s.core.v1.ProbeArgs:
    """Return a probe that asks the container over HTTP.

    Args:
        path: path of the request.
        port: name of the port.
        period_s: time between two requests.
        failures: number of failed requests in a row that counts as a failure.
        https: whether the port has TLS. The kubelet verifies no certificate.
    """
    return k8s.core.v1.ProbeArgs(
        http_get=k8s.core.v1.HTTPGetActionArgs(path=path, port=port, scheme="HTTPS" if https else None),
        period_seconds=period_s,
        failure_threshold=failures,
        timeout_seconds=_TIMEOUT_S,
    )


def tcp_probe(port: str, *, period_s: int, failures: int) -> k8s.core.v1.ProbeArgs:
    """Return a probe that connects to a port; the arguments are those of `http_probe`."""
    return k8s.core.v1.ProbeArgs(
        tcp_socket=k8s.core.v1.TCPSocketActionArgs(port=port),
        period_seconds=period_s,
        failure_threshold=failures,
        timeout_seconds=_TIMEOUT_S,
    )


def exec_probe(command: list[str], *, period_s: int, failures: int) -> k8s.core.v1.ProbeArgs:
    """Return a probe that runs a command in the container; the other arguments are those of `http_probe`."""
    return k8s.core.v1.ProbeArgs(
        exec_=k8s.core.v1.ExecActionArgs(command=command),
        period_seconds=period_s,
        failure_threshold=failures,
        timeout_seconds=_TIMEOUT_S,
    )
