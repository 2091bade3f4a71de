"""Records a response while it passes to the client, and decides whether it may be cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import orjson

from novacron_serving.coordinator.http.response_head import ContentKind, ResponseHead

_END = b"data: [DONE]\n\n"
"""The last event of a complete stream."""


class ResponseRecorder:
    """Collects a response while it passes to the client, and decides whether it may be cached."""

    def __init__(self, head: ResponseHead, *, max_bytes: int) -> None:
        """Start with the head of a response with status 200.

        Args:
            head: the head.
            max_bytes: limit for the body.
        """
        self._head = head
        self._left = max_bytes
        self._body: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Add bytes of the body, including the framing of its chunks."""
        self._left -= len(data)
        if self._left < 0:
            self._body.clear()
        else:
            self._body.append(data)

    def finish(self) -> bytes | None:
        """Return the response to cache once HTTP has delivered all of it; None: it must not be cached.

        HTTP cannot tell whether the answer itself is complete: a worker that fails in the middle of a stream ends it
        with an error event. So a stream has to be events of JSON objects up to `data: [DONE]`, any other response one
        JSON object, and none of these objects may have an error.
        """
        if self._left < 0:
            return None
        body = b"".join(self._body)
        content = _without_chunks(body) if self._head.chunked else body
        if content is None or not _COMPLETE[self._head.content_kind](content):
            return None
        return self._head.lines + b"\r\n" + body


def _without_chunks(body: bytes) -> bytes | None:
    """Return the content of a chunked body; None: it is malformed."""
    content: list[bytes] = []
    at = 0
    while (line_end := body.find(b"\r\n", at)) >= 0:
        try:
            size = int(body[at:line_end].partition(b";")[0], 16)
        except ValueError:
            return None
        if size == 0:
            return b"".join(content)
        content.append(body[line_end + 2 : line_end + 2 + size])
        at = line_end + 2 + size + 2
    return None


def _is_complete_stream(content: bytes) -> bool:
    content = content.replace(b"\r\n", b"\n")
    return content.endswith(_END) and all(map(_is_sound_line, content.removesuffix(_END).split(b"\n")))


def _is_sound_line(line: bytes) -> bool:
    """Return whether a line of a stream carries nothing, or a JSON object without an error."""
    name, _, value = line.partition(b":")
    if name == b"data":
        return _is_complete_object(value)
    return name != b"event" or value.strip() != b"error"


def _is_complete_object(content: bytes) -> bool:
    """Return whether this is one JSON object without an `error`."""
    try:
        parsed: object = orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return isinstance(parsed, dict) and cast("dict[str, object]", parsed).get("error") is None


_COMPLETE: Mapping[ContentKind, Callable[[bytes], bool]] = {
    ContentKind.EVENT_STREAM: _is_complete_stream,
    ContentKind.JSON: _is_complete_object,
    ContentKind.OTHER: lambda _content: False,
}
