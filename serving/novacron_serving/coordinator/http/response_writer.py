"""Writes the response of one request to its client."""

from __future__ import annotations

import asyncio
import json

from novacron_serving.coordinator.http.recorder import ResponseRecorder
from novacron_serving.coordinator.http.response_head import ResponseHead, error_response, pass_head
from novacron_serving.coordinator.limits.usage_meter import UsageMeter
from novacron_serving.errors import RequestError, overloaded

_END_OF_EVENT = b"\n\n\r\n"
"""The end of an event and of the chunk that contains it."""


class ResponseWriter:
    """One response: a cached one, an error, or bytes that pass through from a worker."""

    __slots__ = (
        "_chunked", "_head", "_last_data", "_transport", "cors_origin", "keep_alive", "recorder", "request_id",
        "started", "status", "usage",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, request_id: bytes, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        """Whether the connection serves another request after this one."""
        self.request_id = request_id
        self.cors_origin = b""
        """Origin of the page that may read the response; empty: none."""
        self.status = 0
        """Status of the worker's response; 0: there is none yet."""
        self.started = False
        """Whether the client has a part of the response."""
        self.usage: UsageMeter | None = None
        self.recorder: ResponseRecorder | None = None
        self._transport = transport
        self._head = self._last_data = b""
        self._chunked = False

    def write_cached(self, response: bytes) -> None:
        """Send a cached response: its head, the lines that belong to this request, its body."""
        head, _, body = response.partition(b"\r\n\r\n")
        self._transport.write(head + b"\r\n" + self._end_of_head(b"x-novacron-cache: hit\r\n") + body)

    def write_error(self, error: RequestError) -> None:
        """Send an error of the coordinator."""
        self._transport.write(error_response(error, self._end_of_head()))

    def begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> ResponseHead:
        """Take the head of a worker's response. It is sent together with the first bytes of the body."""
        self.status = status
        head = pass_head(status, headers)
        self._chunked = head.chunked
        self._head = head.lines + self._end_of_head()
        return head

    def write(self, data: bytes) -> None:
        """Send bytes of the body, including the framing of its chunks."""
        if self.recorder is not None:
            self.recorder.add(data)
        if self.usage is not None:
            self.usage.add(data)
        if self._head:
            data, self._head, self.started = self._head + data, b"", True
        self._last_data = data
        self._transport.write(data)

    def complete(self) -> None:
        """Send the head of a response without a body."""
        if self._head:
            self._transport.write(self._head)

    def forget_head(self) -> None:
        """Drop a head that was not sent, because another worker is asked."""
        self._head, self.status, self.recorder = b"", 0, None

    def break_off(self) -> None:
        """End a response of which the client has a part, so that it notices that the rest is missing."""
        self.keep_alive = False
        if self._chunked and self._last_data.endswith(_END_OF_EVENT):  # one more chunk fits in here
            event = b"data: " + json.dumps(overloaded("the worker failed during the response").body()).encode()
            self.write(b"%x\r\n%b\n\n\r\n0\r\n\r\n" % (len(event) + 2, event))

    def _end_of_head(self, lines: bytes = b"") -> bytes:
        """Return the end of a head: these lines, and those that belong to this request."""
        if self.cors_origin:
            lines += b"access-control-allow-origin: " + self.cors_origin + b"\r\nvary: origin\r\n"
        if self.request_id:
            lines += b"x-request-id: " + self.request_id + b"\r\n"
        return lines + (b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
