"""Heads of the responses that clients get."""

from __future__ import annotations

import json
from typing import NamedTuple

from novacron_serving.errors import RequestError

_PASSED_HEADERS = frozenset(
    {b"content-type", b"content-length", b"transfer-encoding", b"retry-after", b"cache-control"}
)
_STATUS_LINES = {200: b"HTTP/1.1 200 OK\r\n"}


class ResponseHead(NamedTuple):
    """The part of a head that comes from the worker, and how the body is framed."""

    lines: bytes
    """Status line and headers, without the empty line that ends a head."""
    framed: bool
    """Whether the body has a length or chunks. Otherwise it ends with the connection."""
    chunked: bool
    streamed: bool
    """Whether the body is a stream of server-sent events."""


def pass_head(status: int, headers: list[tuple[bytes, bytes]]) -> ResponseHead:
    """Return the head that a client gets for a worker's status and headers."""
    lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    framed = chunked = streamed = False
    for name, value in headers:
        if name in _PASSED_HEADERS:
            lines.append(name + b": " + value + b"\r\n")
            if name == b"transfer-encoding":
                framed = chunked = True
            elif name == b"content-length":
                framed = True
            elif name == b"content-type":
                streamed = value.startswith(b"text/event-stream")
    return ResponseHead(b"".join(lines), framed, chunked, streamed)


def error_response(error: RequestError, end_of_head: bytes) -> bytes:
    """Return a response with an error.

    Args:
        error: the error.
        end_of_head: the last lines of the head, with the empty line.
    """
    body = json.dumps(error.body()).encode()
    lines = [f"HTTP/1.1 {error.status} \r\ncontent-type: application/json\r\n".encode()]
    lines += [f"{name}: {value}\r\n".encode() for name, value in error.headers.items()]
    lines.append(b"content-length: %d\r\n" % len(body))
    return b"".join((*lines, end_of_head, body))
