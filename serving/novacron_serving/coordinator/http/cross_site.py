"""Protection against web pages of other sites, for a coordinator without API keys.

Without keys, every request is permitted, and a browser sends requests on behalf of any page that its user visits. Two
checks keep such pages out:

- The `Host` header must be a name of this coordinator. A page that lets its own domain name resolve to this machine
  (DNS rebinding) sends that name.
- The `Origin` header, which browsers add to requests of pages, must be the coordinator's own page or one of
  `cors_origins`.

With keys a page would need a key, so the checks are off unless `allowed_hosts` turns the first one on.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from novacron_serving.errors import RequestError
from novacron_serving.http_errors import make_error_response

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class CrossSiteGuard:
    """Checks the `Host` and `Origin` headers of every request."""

    def __init__(
        self, *, host: str, allowed_hosts: Iterable[str], cors_origins: Iterable[str], needs_key: bool
    ) -> None:
        """Set up the checks.

        Args:
            host: the address that the coordinator listens on.
            allowed_hosts: other names that clients use; `*.example.com` covers every name below example.com, and `*`
                turns the check of `Host` off.
            cors_origins: origins of pages that may send requests; `*` turns the check of `Origin` off.
            needs_key: whether clients need an API key.
        """
        configured = {name.lower() for name in allowed_hosts}
        origins = {origin.lower() for origin in cors_origins}
        self._checks_host = "*" not in configured and (bool(configured) or not needs_key)
        self._checks_origin = "*" not in origins and not needs_key
        self._names = LOOPBACK_HOSTS | {host.lower()} | {name for name in configured if not name.startswith("*.")}
        self._suffixes = tuple(name[1:] for name in configured if name.startswith("*."))
        self._origins = frozenset(origins)
        self.enabled = self._checks_host or self._checks_origin

    def check(self, hosts: Iterable[bytes], origin: bytes | None, local_address: str | None) -> None:
        """Check a request.

        Args:
            hosts: its `Host` headers. A client that is not a browser may send none.
            origin: its `Origin` header.
            local_address: the address that the client has connected to. It is accepted as `Host`, for probes.

        Raises:
            RequestError: 403, the request is for another host or comes from a page of another site.
        """
        given = [host.decode("latin-1").lower() for host in hosts]
        if self._checks_host:
            for host in given:
                self._check_host(host, local_address)
        if self._checks_origin and origin is not None:
            self._check_origin(origin.decode("latin-1").lower(), given)

    def _check_host(self, host: str, local_address: str | None) -> None:
        name = _host_name(host)
        if name in self._names or name == local_address or name.endswith(self._suffixes):
            return
        raise RequestError(
            403,
            f"the header host names {name!r}, which is not a name of this coordinator; add it to allowed_hosts",
            kind="permission_error",
            code="host_not_allowed",
        )

    def _check_origin(self, origin: str, hosts: list[str]) -> None:
        scheme, separator, authority = origin.partition("://")
        default_port = {"http": ":80", "https": ":443"}.get(scheme, "")
        own = {authority, authority + default_port}
        if origin in self._origins or (separator and any(host in own for host in hosts)):
            return
        raise RequestError(
            403,
            f"pages of {origin!r} may not send requests to this coordinator; add the origin to cors_origins",
            kind="permission_error",
            code="origin_not_allowed",
        )


def _host_name(host: str) -> str:
    """Return the name or address in a `Host` header, without port, brackets or a final dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


class CrossSiteMiddleware:
    """Applies a `CrossSiteGuard` to an ASGI application."""

    def __init__(self, app: ASGIApp, guard: CrossSiteGuard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the guard's error."""
        headers: list[tuple[bytes, bytes]] = scope.get("headers", [])
        hosts = [value for name, value in headers if name == b"host"]
        origin = next((value for name, value in headers if name == b"origin"), None)
        server: tuple[str, int | None] | None = scope.get("server")
        try:
            self._guard.check(hosts, origin, server and server[0])
        except RequestError as error:
            await make_error_response(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)
