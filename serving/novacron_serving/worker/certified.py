"""Connections to a worker with TLS: without a certificate of the cluster they get health, readiness and metrics only.

The kubelet has no such certificate, and asks on the same port.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from novacron_serving.cluster_tls import ClusterTls, dns_names
from novacron_serving.errors import RequestError
from novacron_serving.protocol import contract


def certified(tls: ClusterTls) -> type[HttpToolsProtocol]:
    """The protocol of a worker's connections."""

    class Certified(HttpToolsProtocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            # The CA was asked by the handshake: a certificate of another one gets no connection.
            shown = transport.get_extra_info("ssl_object").getpeercert()
            if not tls.bears_the_name(dns_names(shown)):
                self.app = _Probes(self.app)  # type: ignore[assignment]

    return Certified


class _Probes:
    """Lets through what everybody may ask."""

    _PATHS = frozenset(contract()["paths"][name] for name in ("health", "ready", "metrics"))

    def __init__(self, app: Any) -> None:
        self._app: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._PATHS:
            await self._app(scope, receive, send)
            return
        message = "workers answer the coordinator only: this needs a certificate of the cluster"
        error = RequestError(401, message, kind="authentication_error", code="certificate_required")
        await JSONResponse(error.body(), error.status)(scope, receive, send)
