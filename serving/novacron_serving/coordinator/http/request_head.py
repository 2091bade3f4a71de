"""Heads of the requests on the hot path: the fields that the coordinator reads."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from secrets import token_hex

from novacron_serving.errors import invalid

Headers = list[tuple[bytes, bytes]]
_SINGLE = frozenset({b"authorization", b"content-type", b"host", b"origin", b"x-session-id"})
"""Headers that decide something. Two of them could be read differently by a proxy and by the coordinator."""
_TRACE_CONTEXT = (b"traceparent", b"tracestate")
_MAX_REQUEST_ID_BYTES = 128
_ids = map("{}-{:x}".format, itertools.repeat(token_hex(6)), itertools.count(1))


@dataclass(slots=True, eq=False)
class RequestHead:
    """The head of one request."""

    path: bytes
    """The worker's path."""
    request_id: bytes
    authorization: bytes | None
    content_type: bytes
    host: bytes | None
    origin: bytes | None
    session: bytes | None
    content_length: int
    """0: none, or the body is chunked."""
    chunked: bool
    http_1_0: bool
    expects_100: bool
    trace_context: bytes = b""
    """Header lines for the worker."""

    def trace_headers(self) -> dict[str, str]:
        """Return the trace context as headers."""
        lines = self.trace_context.decode("latin-1").split("\r\n")
        return {name: value for name, separator, value in (line.partition(": ") for line in lines) if separator}


def read_head(path: bytes, headers: Headers, *, http_1_0: bool, expects_100: bool) -> RequestHead:
    """Return the head of a request on the hot path.

    Raises:
        RequestError: 400, a header that decides something is there twice.
    """
    fields = dict(headers)
    if len(fields) != len(headers):
        check_headers(headers)
    get = fields.get
    request_id = get(b"x-request-id", b"")
    if not request_id or len(request_id) > _MAX_REQUEST_ID_BYTES or not request_id.isascii():
        request_id = next(_ids).encode()
    head = RequestHead(
        path, request_id, get(b"authorization"), get(b"content-type", b""), get(b"host"), get(b"origin"),
        get(b"x-session-id"), int(get(b"content-length", 0)), b"transfer-encoding" in fields, http_1_0, expects_100,
    )  # fmt: skip
    if b"traceparent" in fields:
        head.trace_context = b"".join(b"%b: %b\r\n" % (name, fields[name]) for name in _TRACE_CONTEXT if name in fields)
    return head


def check_headers(headers: Headers) -> None:
    """Check that each header which decides something is there once.

    Raises:
        RequestError: 400, a header is there twice.
    """
    names = [name for name, _ in headers if name in _SINGLE]
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"the header {name.decode()} is there twice; send it once")
