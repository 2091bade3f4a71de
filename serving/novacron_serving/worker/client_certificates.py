"""TLS connections to a worker. Without a certificate of the cluster, only health, readiness and metrics are served.

The kubelet has no such certificate, and probes on the same port.
"""

from __future__ import annotations

import asyncio
from typing import cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from novacron_serving.cluster_tls import ClusterTls, read_dns_names
from novacron_serving.errors import RequestError
from novacron_serving.http_errors import make_error_response
from novacron_serving.protocol import contract


def make_http_protocol(tls: ClusterTls) -> type[HttpToolsProtocol]:
    """Make the protocol class of a worker's connections, which checks the client's certificate."""

    class CertificateProtocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            # The handshake has checked the CA. A certificate of another CA gets no connection.
            certificate = transport.get_extra_info("ssl_object").getpeercert()
            if not tls.has_cluster_name(read_dns_names(certificate)):
                self.app = _ProbesOnly(cast("ASGIApp", self.app))  # type: ignore[assignment]

    return CertificateProtocol


class _ProbesOnly:
    """Serves health, readiness and metrics, and returns 401 for everything else."""

    _PATHS = frozenset(contract()["paths"][name] for name in ("health", "ready", "metrics"))

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._PATHS:
            await self._app(scope, receive, send)
            return
        message = "this worker accepts requests from its coordinator only; present a certificate of the cluster"
        error = RequestError(401, message, kind="authentication_error", code="certificate_required")
        await make_error_response(error)(scope, receive, send)
