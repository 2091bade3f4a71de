"""The sockets of the API, with and without TLS, its certificate, and the socket of the metrics."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from uvicorn.server import ServerState

from novacron_serving.coordinator.config import CoordinatorConfig, TlsConfig
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.errors import StartError
from novacron_serving.server import TlsListener, listen, uvicorn_config

log = logging.getLogger("novacron_serving.coordinator")


class ApiCertificate:
    """The certificate of the API, which is reloaded when its file changes. New connections use it."""

    def __init__(self, config: TlsConfig) -> None:
        """Load the certificate. Raises `StartError` if it cannot be used."""
        self._config = config
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            self._load()
        except OSError as error:  # includes SSLError
            name = str(config.certificate)
            raise StartError(f"tls.certificate {name!r} and tls.key cannot be used: {error}") from error

    def renew(self) -> None:
        """Reload the certificate if its file has changed."""
        with contextlib.suppress(OSError):  # the file is being written: the next call reads it
            if self._config.certificate.stat().st_mtime_ns != self._seen:
                self._load()
                log.info("reloaded the certificate")

    def _load(self) -> None:
        seen = self._config.certificate.stat().st_mtime_ns
        self.context.load_cert_chain(self._config.certificate, self._config.key)
        self._seen = seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Listeners:
    """Where the API and the metrics are served."""

    plain: list[socket.socket]
    tls: TlsListener | None
    metrics: socket.socket | None
    """None: the API has the metrics."""

    def describe(self) -> str:
        """Return the ports, for the log."""
        ports = [f"HTTP on port {one.getsockname()[1]}" for one in self.plain]
        if self.tls is not None:
            ports.append(f"HTTPS on port {self.tls.socket.getsockname()[1]}")
        if self.metrics is not None:
            ports.append(f"metrics on port {self.metrics.getsockname()[1]}")
        return ", ".join(ports)


def open_listeners(config: CoordinatorConfig, certificate: ApiCertificate | None) -> Listeners:
    """Return the sockets: of the API plain, with TLS, or both. Raises `StartError` if a port cannot be used."""
    http = listen(config.host, config.http_port, "http_port")
    metrics = None if config.metrics_port is None else listen(config.host, config.metrics_port, "metrics_port")
    if config.tls is None or certificate is None:
        return Listeners(plain=[http], tls=None, metrics=metrics)
    if config.tls.port is None:
        return Listeners(plain=[], tls=TlsListener(socket=http, context=certificate.context), metrics=metrics)
    https = listen(config.host, config.tls.port, "tls.port")
    return Listeners(plain=[http], tls=TlsListener(socket=https, context=certificate.context), metrics=metrics)


async def serve_metrics(bound: socket.socket, metrics: Metrics) -> asyncio.Server:
    """Serve the metrics, and nothing else, at a socket."""
    config = uvicorn_config(Starlette(routes=[metrics.route()]), grace_s=0)
    config.load()
    state = ServerState()
    state.default_headers = config.encoded_headers

    def make_protocol() -> asyncio.Protocol:
        protocol: Any = config.http_protocol_class  # as uvicorn does for its own listeners
        return protocol(config=config, server_state=state, app_state={})

    return await asyncio.get_running_loop().create_server(make_protocol, sock=bound)
