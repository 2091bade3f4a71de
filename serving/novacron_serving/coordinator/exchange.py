"""One chat or completion request, from the client's bytes to the client's bytes.

It takes the place of uvicorn's request-response cycle on a connection: uvicorn's protocol fills `body` and `more_body`,
calls `message_event.set()` when there is more or the client has left, and goes on to the next request when
`response_complete` is true. No task runs for it.
"""

from __future__ import annotations

import itertools
import json
import time
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from novacron_serving.coordinator.access import ANYBODY, Caller
from novacron_serving.coordinator.spent import Spent
from novacron_serving.coordinator.upstream import Receiver, UpstreamConnection
from novacron_serving.coordinator.workers import Worker
from novacron_serving.errors import RequestError, invalid, overloaded
from novacron_serving.protocol import TELL_USAGE

if TYPE_CHECKING:
    from novacron_serving.coordinator.cache import Answers
    from novacron_serving.coordinator.front import Front
    from novacron_serving.coordinator.two_steps import TwoSteps

REQUEST_ID, SESSION = b"x-request-id", b"x-session-id"
_PASSED_TO_CLIENT = frozenset(
    {b"content-type", b"content-length", b"transfer-encoding", b"retry-after", b"cache-control"}
)
_PASSED_TO_WORKER = frozenset({b"traceparent", b"tracestate"})
_TELL_USAGE = f"{TELL_USAGE}: tell\r\n".encode()
_LINGER_S = 2.0
_END_OF_EVENT = b"\n\n\r\n"
"""An event, and the chunk that it is."""
_BACKPRESSURE = (429, 503)
_STATUS_LINES = {200: b"HTTP/1.1 200 OK\r\n"}
_ids = map("{}-{:x}".format, itertools.repeat(token_hex(6)), itertools.count(1))


class Exchange:
    """A request on the hot path."""

    def __init__(
        self,
        front: Front,
        path: bytes,
        headers: list[tuple[bytes, bytes]],
        *,
        keep_alive: bool,
        expects_100: bool,
    ) -> None:
        self.body: bytes | bytearray = b""
        self.more_body = True
        self.disconnected = False
        self.response_complete = False
        self.keep_alive = keep_alive
        self.caller: Caller = ANYBODY
        self.model = ""
        self.prefix: tuple[int, ...] = ()
        self.tried: set[str] = set()
        self.waits_since_s = self.first_byte_by_s = 0.0
        self.steps: TwoSteps | None = None
        self._front = front
        self._path = path
        self._headers = headers
        self._expects_100 = expects_100
        self._started = False
        self._done = False
        self._began_s = 0.0
        self._worker: Worker | None = None
        self._connection: UpstreamConnection | None = None
        self._status = 0
        self._answer_head = b""
        self._in_chunks = False
        self._retry_with: RequestError | None = None
        self._request_id = self._origin = self._last = b""
        self._spent: Spent | None = None
        self._cache_key: bytes | None = None
        self._kept: list[bytes] | None = None
        self._kept_bytes = 0

    # the client's side

    @property
    def message_event(self) -> Exchange:
        """What uvicorn's protocol sets."""
        return self

    def set(self) -> None:
        """There is more of the body, or the client has left."""
        if self.disconnected:
            self._abandon()
        elif self._started and not self.more_body:
            self._ask()

    def begin(self) -> None:
        """It is this request's turn on its connection."""
        self._started = True
        self._check_size(max(len(self.body), self._announced()))
        if self._expects_100 and self.more_body and not self._done:
            self._front.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self.more_body:
            self._ask()

    def more(self, data: bytes) -> None:
        """A piece of its body."""
        if self._done:
            return
        if not self.body:
            self.body = data  # most requests come in one piece
        else:
            if isinstance(self.body, bytes):
                self.body = bytearray(self.body)
            self.body += data
        if self._started:
            self._check_size(len(self.body))

    def _check_size(self, size: int) -> None:
        limit = self._front.gate.config.max_body_bytes
        if size > limit:
            self.keep_alive = False  # the rest of the body is not read
            self.refuse(RequestError(413, f"the body is larger than {limit} bytes", kind="invalid_request_error"))

    def _announced(self) -> int:
        for name, value in self._headers:
            if name == b"content-length":
                return int(value)  # the parser has seen to it that it is a number
        return 0

    @property
    def abandoned(self) -> bool:
        """Nobody waits for an answer."""
        return self._done

    def _ask(self) -> None:
        if self._done or self._began_s:
            return
        self._began_s = time.perf_counter()
        gate = self._front.gate
        authorization = session = None
        for name, value in self._headers:
            if name == b"authorization":
                authorization = value
            elif name == SESSION:
                session = value
            elif name == b"origin" and gate.allows_origin(value):
                self._origin = value
            elif name == REQUEST_ID and len(value) <= 128 and value.isascii():
                self._request_id = value
        if not self._request_id:
            self._request_id = next(_ids).encode()
        try:
            self.caller = gate.access.caller(authorization)
            self._spent = None if self.caller.tokens is None else Spent()
            request = gate.read(self.body)
            if self._front.http_1_0 and request.get("stream"):
                raise invalid("stream: HTTP/1.0 has no way to stream an answer; use HTTP/1.1", param="stream")
            self.caller.take()
            self._cache_key = gate.cache_key(self.caller, self._path, request)
            if self._cache_key is not None and self._from_cache(self._cache_key, request, session):
                return
            gate.admit(self, request, session)
        except RequestError as error:
            self.refuse(error)

    def _from_cache(self, key: bytes, request: dict[str, Any], session: bytes | None) -> bool:
        """Whether the answer is there, or is being looked for."""
        answers = self._front.gate.answers
        assert answers is not None  # noqa: S101 - it gave the key
        found = answers.look(key)
        if found is not None:
            self._repeat(found)
            return True
        if not answers.has_deeper:
            return False
        looking = self._front.loop.create_task(self._look_deeper(answers, key, request, session))
        self._front.tasks.add(looking)
        looking.add_done_callback(self._front.tasks.discard)
        return True

    async def _look_deeper(self, answers: Answers, key: bytes, request: dict[str, Any], session: bytes | None) -> None:
        found = await answers.look_deeper(key)
        if self._done:
            return
        if found is not None:
            self._repeat(found)
            return
        try:
            self._front.gate.admit(self, request, session)
        except RequestError as error:
            self.refuse(error)

    def _repeat(self, answer: bytes) -> None:
        """Give an answer again: its head without what belongs to one request, an empty line, its body."""
        head, _, body = answer.partition(b"\r\n\r\n")
        self._front.gate.metrics.first_token.observe(time.perf_counter() - self._began_s)
        lines = head + b"\r\n" + self._own_lines(b"x-novacron-cache: hit\r\n")
        self._front.transport.write(lines + body)
        self._finish(200)

    def _own_lines(self, more: bytes = b"") -> bytes:
        """The end of an answer's head: what belongs to this request."""
        close = b"" if self.keep_alive else b"connection: close\r\n"
        if self._origin:
            more += b"access-control-allow-origin: " + self._origin + b"\r\nvary: origin\r\n"
        if self._request_id:
            more += b"x-request-id: " + self._request_id + b"\r\n"
        return more + close + b"\r\n"

    # the worker's side

    def start(self, worker: Worker) -> None:
        """Ask this worker."""
        self._worker = worker
        self._retry_with = None
        self._send(worker, fresh=False)

    def _send(self, worker: Worker, *, fresh: bool) -> None:
        more = b"x-request-id: " + self._request_id + b"\r\n"
        if self.caller.tokens is not None:
            more += _TELL_USAGE
        for name, value in self._headers:
            if name in _PASSED_TO_WORKER:
                more += name + b": " + value + b"\r\n"
        upstream, body = worker.upstream, self.body
        receiver: Receiver = self
        if self.steps is not None:
            more, body, receiver = self.steps.dress(more, body)
        self._connection = upstream.send(upstream.request(self._path, body, more), receiver, fresh=fresh)

    def handed_over(self) -> None:
        """One worker has read the prompt: another one is asked for the answer."""
        first = self._worker
        assert first is not None  # noqa: S101 - it was asked
        self._worker = self._front.gate.handed_over(self, first)
        self._send(self._worker, fresh=False)

    def connected(self, connection: UpstreamConnection) -> bool:
        """A connection was opened for it; false: it is not wanted any more."""
        if self._done:
            return False
        self._connection = connection
        return True

    def begins(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """A worker's answer begins."""
        gate, worker = self._front.gate, self._worker
        assert worker is not None  # noqa: S101 - it was asked
        gate.answered(self)
        if status in _BACKPRESSURE or status >= 500:
            if status not in _BACKPRESSURE:
                worker.failed(at_once=False)
                gate.renew()
            # Nothing was said to the client yet: another worker may do better.
            self._retry_with = RequestError(
                status,
                "the workers have no place for this request; try again in a moment"
                if status in _BACKPRESSURE
                else f"the worker answered with status {status}",
                kind="server_error",
                code="overloaded" if status in _BACKPRESSURE else None,
            )
            return
        worker.succeeded()
        self._status = status
        gate.metrics.first_token.observe(time.perf_counter() - self._began_s)
        lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        framed = False
        for name, value in headers:
            if name in _PASSED_TO_CLIENT:
                lines.append(name + b": " + value + b"\r\n")
                if name == b"transfer-encoding":
                    framed = self._in_chunks = True
                elif name == b"content-length":
                    framed = True
        if not framed:  # its end is the connection's
            self.keep_alive = False
        if status == 200 and framed and self._cache_key is not None:
            self._kept = [*lines, b"\r\n"]
            self._kept_bytes = 0
        lines.append(self._own_lines())
        self._answer_head = b"".join(lines)

    def passes(self, data: bytes) -> None:
        """Bytes of a worker's answer."""
        if self._retry_with is not None:
            return
        if self._kept is not None:
            self._keep(data)
        if self._spent is not None:
            self._spent.see(data)
        if self._answer_head:
            data, self._answer_head = self._answer_head + data, b""
        self._last = data
        self._front.transport.write(data)

    def _keep(self, data: bytes) -> None:
        answers = self._front.gate.answers
        assert self._kept is not None and answers is not None  # noqa: S101, PT018 - it gave the key
        self._kept_bytes += len(data)
        if self._kept_bytes > answers.largest_bytes:
            self._kept = None
        else:
            self._kept.append(data)

    def ends(self) -> None:
        """A worker's answer is whole."""
        self._connection = None
        if self._retry_with is not None:
            self._next_or(self._retry_with)
            return
        if self._answer_head:  # an answer without a body
            self._front.transport.write(self._answer_head)
        answers = self._front.gate.answers
        if self._kept is not None and self._cache_key is not None and answers is not None:
            answers.keep(self._cache_key, b"".join(self._kept))
        self._finish(self._status)

    def lost(self, reason: str, *, reused: bool) -> None:
        """The connection to the worker is no more."""
        self._connection = None
        if self._done:
            return
        worker = self._worker
        assert worker is not None  # noqa: S101 - it was asked
        if reused:  # it had been closed while it was idle
            self._send(worker, fresh=True)
            return
        worker.failed(at_once=True)
        self._front.gate.renew()
        if not self._status:
            self._next_or(overloaded(f"the worker failed before it answered ({reason}); try again in a moment"))
            return
        # Part of the answer was sent: the client has to see that it is not whole.
        self.keep_alive = False
        if self._in_chunks and self._last.endswith(_END_OF_EVENT):  # a chunk of our own may follow
            event = b"data: " + json.dumps(overloaded("the worker failed in the middle of the answer").body()).encode()
            self.passes(b"%x\r\n%b\n\n\r\n0\r\n\r\n" % (len(event) + 2, event))
        self._finish(503)

    def _next_or(self, error: RequestError) -> None:
        worker, self._worker = self._worker, None
        gate = self._front.gate
        if worker is not None:
            gate.left(self, worker)
        if not gate.retry(self):
            self.refuse(error)

    # the end

    def refuse(self, error: RequestError) -> None:
        """Answer with an error."""
        if self._done:
            return
        body = json.dumps(error.body()).encode()
        lines = [f"HTTP/1.1 {error.status} \r\ncontent-type: application/json\r\n".encode()]
        lines += [f"{name}: {value}\r\n".encode() for name, value in error.headers.items()]
        lines.append(b"content-length: %d\r\n" % len(body))
        self._front.transport.write(b"".join((*lines, self._own_lines(), body)))
        self._finish(error.status)

    def _abandon(self) -> None:
        if not self._done:
            self._finish(499)

    def _finish(self, status: int) -> None:
        self._done = self.response_complete = True
        if self._status and self._spent is not None:
            self.caller.used(self._spent.tokens(self.body))
        front, gate, worker = self._front, self._front.gate, self._worker
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
        if self.model:
            gate.over(self)
        if worker is not None:
            gate.left(self, worker)
        gate.metrics.answered(status)
        if self._began_s:
            gate.metrics.duration.observe(time.perf_counter() - self._began_s)
        if not self.keep_alive:
            if self.more_body:  # closed at once, a client that still sends would not get to read the answer
                front.loop.call_later(_LINGER_S, front.transport.close)
            else:
                front.transport.close()
        front.on_response_complete()

    # flow control

    def pause(self) -> None:
        """The client reads slowly: so does its answer's connection."""
        if self._connection is not None:
            self._connection.transport.pause_reading()

    def resume(self) -> None:
        """The client has read what there was."""
        if self._connection is not None:
            self._connection.transport.resume_reading()
