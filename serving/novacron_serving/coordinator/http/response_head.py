"""Heads of the responses that clients get."""

from __future__ import annotations

import json
from enum import Enum
from typing import NamedTuple

from novacron_serving.errors import RequestError
from novacron_serving.server import NO_SNIFFING

_PASSED_HEADERS = frozenset(
    {b"content-type", b"content-length", b"transfer-encoding", b"retry-after", b"cache-control"}
)
_NO_SNIFFING = ": ".join(NO_SNIFFING).encode() + b"\r\n"
_STATUS_LINES = {200: b"HTTP/1.1 200 OK\r\n"}


class ContentKind(Enum):
    """The kind of a body, by its media type."""

    JSON = "application/json"
    EVENT_STREAM = "text/event-stream"
    OTHER = ""


_CONTENT_KINDS = {kind.value.encode(): kind for kind in (ContentKind.JSON, ContentKind.EVENT_STREAM)}


class ResponseHead(NamedTuple):
    """The part of a head that comes from the worker, and how the body is framed."""

    lines: bytes
    """Status line and headers, without the empty line that ends a head."""
    chunked: bool
    content_kind: ContentKind


def pass_head(status: int, headers: list[tuple[bytes, bytes]]) -> ResponseHead:
    """Return the head that a client gets for a worker's status and headers."""
    lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    chunked = False
    content_kind = ContentKind.OTHER
    for name, value in headers:
        if name in _PASSED_HEADERS:
            lines.append(name + b": " + value + b"\r\n")
            if name == b"transfer-encoding":
                chunked = True
            elif name == b"content-type":
                media_type = value.partition(b";")[0].strip().lower()
                content_kind = _CONTENT_KINDS.get(media_type, ContentKind.OTHER)
    lines.append(_NO_SNIFFING)
    return ResponseHead(b"".join(lines), chunked, content_kind)


def error_response(error: RequestError, end_of_head: bytes) -> bytes:
    """Return a response with an error.

    Args:
        error: the error.
        end_of_head: the last lines of the head, with the empty line.
    """
    body = json.dumps(error.body()).encode()
    lines = [f"HTTP/1.1 {error.status} \r\ncontent-type: application/json\r\n".encode(), _NO_SNIFFING]
    lines += [f"{name}: {value}\r\n".encode() for name, value in error.headers.items()]
    lines.append(b"content-length: %d\r\n" % len(body))
    return b"".join((*lines, end_of_head, body))
