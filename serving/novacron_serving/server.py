"""Runs an ASGI application as a process. A start error is one line, and SIGTERM drains requests before the exit."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson
import uvicorn
from pydantic import BaseModel, ValidationError

from novacron_serving.errors import RequestError, StartError, body_too_large, invalid, too_deeply_nested
from novacron_serving.protocol import contract

Config = TypeVar("Config", bound=BaseModel)


IDENTITY = frozenset({"worker_id", "host"})
"""Fields that differ between the pods of a set."""


def read_config(arguments: list[str], model: type[Config]) -> Config:
    """Read the configuration of `--config FILE`, and `worker_id` and `host` from the environment if they are there.

    So one file serves all pods of a set, each with its own name and address.

    Raises:
        StartError: it lists every invalid field.
    """
    if len(arguments) != 2 or arguments[0] != "--config":
        raise StartError("usage: --config FILE.json")
    path = Path(arguments[1])
    try:
        return model.model_validate_json(_add_identity(path, model))
    except OSError as error:
        raise StartError(f"configuration {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'file'}: "
            f"{item['msg'].removeprefix('Value error, ')}{_got(item['type'], item['input'])}"
            for item in error.errors(include_url=False)
        )
        raise StartError(f"configuration {path}: {problems}") from error


def _add_identity(path: Path, model: type[BaseModel]) -> bytes:
    """Return a configuration file with the identity that the environment gives to this process."""
    content = path.read_bytes()
    names = contract()["environment"]
    given = {
        field: os.environ[names[field]] for field in IDENTITY & model.model_fields.keys() if names[field] in os.environ
    }
    if not given:
        return content
    try:
        fields = orjson.loads(content)
    except orjson.JSONDecodeError:
        return content  # the caller's validation reports it
    if not isinstance(fields, dict):
        return content
    for field, value in given.items():
        if fields.setdefault(field, value) != value:
            raise StartError(
                f"configuration {path}: {field} is {fields[field]!r}, but {names[field]} is {value!r}; remove one"
            )
    return orjson.dumps(fields)


def _got(problem: str, given: object) -> str:
    """Return an invalid value for the message, but nothing that may hold a secret.

    Left out are unknown fields, containers, and the text of a file that is not JSON.
    """
    if problem in ("extra_forbidden", "json_invalid") or isinstance(given, (dict, list)):
        return ""
    return f" (got {json.dumps(given, default=str)[:80]})"


def cluster_token() -> str:
    """Return the token that coordinators and workers share. Raises `StartError` if it is missing or invalid."""
    name: str = contract()["environment"]["cluster_token"]
    token = os.environ.get(name, "")
    if not token:
        raise StartError(f"{name} is not set; set it to the same random text for coordinators and workers")
    if not token.isascii() or not token.isprintable() or token != token.strip():
        raise StartError(
            f"{name} has characters that are not allowed in a header, perhaps a newline at the end; remove them"
        )
    return token


CLIENT_TIMEOUT_S = 60
"""Connections to a client that acknowledges nothing, or reads nothing, are closed after this time."""


def watch_peer(connection: socket.socket, timeout_s: int) -> None:
    """Let the kernel close a connection whose peer has gone without a packet: power loss, partition, spot reclaim.

    Args:
        connection: a TCP socket, or one whose connections are to inherit this.
        timeout_s: longest time without an acknowledgement, whether data is in flight or not.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        probes = 3
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, timeout_s // 2))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, timeout_s // 2 // probes))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, probes)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_s * 1000)


def listen(host: str, port: int, field: str) -> socket.socket:
    """Return a listening socket. Raises `StartError` if the port cannot be used."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    watch_peer(bound, CLIENT_TIMEOUT_S)  # its connections inherit this
    try:
        bound.bind((host, port))
        bound.listen(2048)  # from now on, others cannot use the port
    except OSError as error:
        bound.close()
        raise StartError(f"{field} {port} on {host} cannot be used: {error.strerror}; choose another") from error
    return bound


NO_SNIFFING = ("x-content-type-options", "nosniff")
"""Header of every response: browsers must not guess another media type from a body, which may contain a user's HTML."""
KEEP_ALIVE_S = 75
"""Longer than `coordinator.workers.upstream.IDLE_S`, after which the coordinator closes an unused connection."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsListener:
    """A listening socket whose connections use TLS."""

    socket: socket.socket
    context: ssl.SSLContext


class DrainingServer(uvicorn.Server):
    """Calls `on_drain` on SIGTERM, before it waits for requests in flight. One more listener may have TLS."""

    def __init__(
        self, config: uvicorn.Config, on_drain: Callable[[], Awaitable[None]], tls: TlsListener | None = None
    ) -> None:
        super().__init__(config)
        self._on_drain = on_drain
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections: in plain text from `sockets`, with TLS from the TLS listener."""
        await super().startup(sockets)
        if self._tls is not None:
            listener = await asyncio.get_running_loop().create_server(
                self._make_protocol, sock=self._tls.socket, ssl=self._tls.context, backlog=self.config.backlog
            )
            self.servers.append(listener)

    def _make_protocol(self) -> asyncio.Protocol:
        # As uvicorn does for its own listeners.
        protocol: Any = self.config.http_protocol_class
        return protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then wait for requests in flight."""
        await self._on_drain()
        await super().shutdown(sockets)
        self._captured_signals.clear()  # uvicorn would raise them again, which skips the clean-up and exit status 0


def uvicorn_config(app: object, grace_s: int, http: type[asyncio.Protocol] | str = "httptools") -> uvicorn.Config:
    """Return the settings of uvicorn that coordinator and worker share."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=http,  # type: ignore[arg-type]
        timeout_keep_alive=KEEP_ALIVE_S,
        log_level="warning",
        access_log=False,
        headers=[NO_SNIFFING],
        timeout_graceful_shutdown=grace_s,
        lifespan="off",
    )


def main(name: str, run: Callable[[list[str]], None]) -> None:
    """Run the main function of a process. A `StartError` is printed as one line, with exit status 2."""
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {name} %(levelname)s %(message)s", stream=sys.stderr)
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        run(sys.argv[1:])
    except StartError as error:
        sys.stderr.write(f"{name}: {error}\n")
        sys.exit(2)


async def read_bytes(stream: AsyncIterator[bytes], limit: int, length: str | None) -> bytes:
    """Read a request's body.

    Args:
        stream: its pieces.
        limit: most bytes that are read.
        length: its `content-length` header.

    Raises:
        RequestError: 413, the body is larger than the limit. The rest is not read.
    """
    if length is not None and length.isdigit() and int(length) > limit:
        raise body_too_large(limit)
    body = bytearray()
    async for piece in stream:
        body += piece
        if len(body) > limit:
            raise body_too_large(limit)
    return bytes(body)


def parse_json(body: bytes) -> object:
    """Return a request's JSON body. Raises `RequestError` (400) if it is not JSON."""
    try:
        return orjson.loads(body)  # it rejects NaN, lone surrogates and excessive nesting
    except orjson.JSONDecodeError as error:
        raise invalid(f"the body is not valid JSON: {error}") from error


def parse_as(model: type[Config], value: object, status: int) -> Config:
    """Return JSON as a model, without converting types.

    Raises:
        RequestError: with this status, it names the first wrong field; or 400, the JSON is nested too deeply.
    """
    try:
        content = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise too_deeply_nested() from error
    try:
        return model.model_validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        message = f"{field or 'body'}: {first['msg']}"
        raise RequestError(status, message, kind="invalid_request_error", param=field or None) from error
