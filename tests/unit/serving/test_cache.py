"""The response cache: which responses are stored, for which API keys, and for how long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from novacron_serving.clock import ManualClock
from novacron_serving.coordinator.cache.levels import MemoryLevel
from novacron_serving.coordinator.cache.response_cache import (
    CacheConfig,
    CachedResponse,
    ResponseCache,
)
from novacron_serving.coordinator.http.recorder import ResponseRecorder
from novacron_serving.coordinator.http.response_head import ResponseHead, pass_head
from novacron_serving.coordinator.limits.authentication import CacheUse, Principal, Role
from novacron_serving.coordinator.metrics import Metrics
from novacron_serving.errors import RequestError
from pydantic import ValidationError

KEY = b"k" * 32
REQUEST = {"model": "m", "temperature": 0, "messages": []}
EVENT = b'data: {"choices":[{"delta":{"content":"an \\"error\\" in quotes"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error": {"message": "the engine died", "type": "server_error"}}\n\n'


class DictLevel:
    """A cache level that forgets nothing by itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: dict[bytes, CachedResponse] = {}

    async def get(self, key: bytes) -> CachedResponse | None:
        return self.entries.get(key)

    async def put(self, key: bytes, entry: CachedResponse) -> None:
        self.entries[key] = entry


def make_cache(clock: ManualClock, *levels: DictLevel, ttl_s: int = 4) -> ResponseCache:
    """Return the cache of one coordinator; coordinators share the levels."""
    return ResponseCache(CacheConfig(ttl_s=ttl_s), MemoryLevel(2**20, clock), levels, Metrics(), clock)


def principal(name: str = "one", cache: CacheUse = CacheUse.OWN, key_id: str = "1") -> Principal:
    return Principal(name, Role.USER, cache=cache, key_id=key_id)


# completeness


def head(*, status: int = 200, chunked: bool = False, streamed: bool = False) -> ResponseHead:
    framing = (b"transfer-encoding", b"chunked") if chunked else (b"content-length", b"1")
    media_type = b"text/event-stream; charset=utf-8" if streamed else b"application/json"
    return pass_head(status, [(b"content-type", media_type), framing])


def chunks(content: bytes, size: int) -> bytes:
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def recorded(head: ResponseHead, body: bytes, *, piece: int = 11, max_bytes: int = 10_000) -> bytes | None:
    recorder = ResponseRecorder(head, max_bytes=max_bytes)
    for start in range(0, len(body), piece):
        recorder.add(body[start : start + piece])
    return recorder.finish()


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_stream_that_ends_with_done_is_cached_as_it_was_framed(size: int) -> None:
    body = chunks(EVENT * 3 + DONE, size)
    response = recorded(head(chunked=True, streamed=True), body)
    assert response is not None
    lines, _, content = response.partition(b"\r\n\r\n")
    assert lines.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream")
    assert content == body


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
@pytest.mark.parametrize(
    "stream",
    [
        EVENT + ERROR,
        EVENT + ERROR + DONE,
        ERROR,
        EVENT,
        b"",
        EVENT + DONE + EVENT,
        EVENT + b"event: error\ndata: {}\n\n" + DONE,
        EVENT + b'data:{"id":"1","error":"half"}\n\n' + DONE,
        EVENT + b'data: {"error"\n\n' + DONE,
        EVENT + b'data: {"choices":[{"delta":{"content":"data: [DONE]"}}]}\n\n',
        EVENT + b'data: {"\\u0065rror": {"message": "the engine died"}}\n\n' + DONE,
        EVENT + b"data: [1]\n\n" + DONE,
        EVENT + DONE[:-1],
        EVENT + DONE[:-2],
        EVENT + DONE + DONE,
    ],
    ids=["error", "error then done", "only error", "no done", "empty", "done in the middle", "error event",
         "error among other fields", "broken error", "done in the text", "error in escapes", "not an object",
         "half of the last line", "last line only", "done twice"],
)  # fmt: skip
def test_stream_with_an_error_or_without_done_is_not_cached(stream: bytes, size: int) -> None:
    assert recorded(head(chunked=True, streamed=True), chunks(stream, size)) is None
    assert recorded(head(streamed=True), stream) is None


def test_stream_without_the_last_chunk_is_not_cached() -> None:
    assert recorded(head(chunked=True, streamed=True), chunks(EVENT + DONE, 10_000)[:-5]) is None


def test_whole_response_is_cached_unless_it_is_an_error_or_too_large() -> None:
    answer = b'{"choices":[{"message":{"content":"an \\"error\\" in quotes"}}]}'
    assert recorded(head(), answer) == head().lines + b"\r\n" + answer
    assert recorded(head(chunked=True), chunks(answer, 9)) is not None
    assert recorded(head(), b'{"error": null, "choices": []}') is not None
    assert recorded(head(), b'{"error": {"message": "the engine died"}}') is None
    assert recorded(head(), answer, max_bytes=len(answer)) is not None
    assert recorded(head(), answer, max_bytes=len(answer) - 1) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"[1]", b'{"id": 1, ', b'"text"', b'{"\\u0065rror": {"code": 1}}', b"\x1f\x8b\x08", b"<html></html>"],
    ids=["empty", "list", "cut short", "text", "error in escapes", "compressed", "html"],
)
def test_response_that_is_not_one_json_object_without_an_error_is_not_cached(body: bytes) -> None:
    assert recorded(head(), body) is None


@pytest.mark.parametrize(
    "media_type", [b"TEXT/Event-Stream", b"text/event-stream;charset=utf-8", b"text/event-stream ;x=1"]
)
def test_spelling_of_the_media_type_does_not_hide_a_stream(media_type: bytes) -> None:
    stream = pass_head(200, [(b"content-type", media_type), (b"content-length", b"1")])
    assert recorded(stream, EVENT) is None
    assert recorded(stream, EVENT + DONE) is not None


@pytest.mark.parametrize("media_type", [b"text/html", b"application/problem+json", b""])
def test_response_of_another_media_type_is_not_cached(media_type: bytes) -> None:
    assert recorded(pass_head(200, [(b"content-type", media_type), (b"content-length", b"2")]), b"{}") is None


def test_old_name_of_a_setting_is_an_error_that_names_the_new_one() -> None:
    with pytest.raises(ValidationError, match="largest_answer_kib is now called max_response_kib"):
        CacheConfig.model_validate({"largest_answer_kib": 1})


# cache keys


def test_cache_key_covers_the_api_key_the_model_the_path_and_every_field(clock: ManualClock) -> None:
    cache = make_cache(clock)
    key = cache.key(principal(), "digest", b"/v1/completions", REQUEST)
    assert key is not None
    assert key == cache.key(principal(), "digest", b"/v1/completions", dict(reversed(REQUEST.items())))
    others = [
        cache.key(principal(key_id="2"), "digest", b"/v1/completions", REQUEST),
        cache.key(principal(cache=CacheUse.SHARED), "digest", b"/v1/completions", REQUEST),
        cache.key(principal(), "other", b"/v1/completions", REQUEST),
        cache.key(principal(), "digest", b"/v1/chat/completions", REQUEST),
        cache.key(principal(), "digest", b"/v1/completions", REQUEST | {"seed": 1}),
        cache.key(principal(), "digest", b"/v1/completions", REQUEST | {"seed": None}),
    ]
    assert len({key, *others}) == 7


def test_a_new_key_with_the_name_of_a_revoked_one_does_not_see_its_responses(clock: ManualClock) -> None:
    cache = make_cache(clock)
    keys = [cache.key(principal("team", key_id=key_id), "digest", b"/", REQUEST) for key_id in ("old", "new")]
    assert keys[0] != keys[1]


def test_keys_with_a_shared_cache_share_responses(clock: ManualClock) -> None:
    cache = make_cache(clock)
    keys = {
        cache.key(principal(name, CacheUse.SHARED, key_id=name), "digest", b"/", REQUEST) for name in ("one", "two")
    }
    assert len(keys) == 1


@pytest.mark.parametrize("temperature", [None, 0.5, False, "0", [], 1])
def test_only_requests_with_temperature_0_are_cacheable(clock: ManualClock, temperature: Any) -> None:
    cache = make_cache(clock)
    assert cache.key(principal(), "digest", b"/", REQUEST | {"temperature": temperature}) is None
    assert cache.key(principal(), "digest", b"/", REQUEST | {"temperature": 0.0}) is not None


def test_cache_is_not_used_without_a_model_identity_or_for_keys_that_did_not_opt_in(clock: ManualClock) -> None:
    cache = make_cache(clock)
    assert cache.key(principal(), None, b"/", REQUEST) is None
    assert cache.key(principal(cache=CacheUse.OFF), "digest", b"/", REQUEST) is None


@pytest.mark.parametrize("depth", [300, 1000])
def test_deeply_nested_request_has_no_cache_key_but_a_400(clock: ManualClock, depth: int) -> None:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    with pytest.raises(RequestError, match="nested too deeply") as caught:
        make_cache(clock).key(principal(), "digest", b"/", REQUEST | {"metadata": nested})
    assert caught.value.status == 400


# expiry


async def settle() -> None:
    """Let background writes finish."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_expiry_does_not_move_when_a_response_is_copied_between_levels(clock: ManualClock) -> None:
    async def run() -> None:
        redis, disk = DictLevel("redis"), DictLevel("disk")
        first = make_cache(clock, DictLevel("redis"), disk)
        first.put(KEY, b"response")
        await settle()
        clock.advance(3.5)
        second = make_cache(clock, redis, disk)
        assert await second.get_from_levels(KEY) == b"response"
        assert second.get_from_memory(KEY) == b"response"
        assert redis.entries[KEY] == disk.entries[KEY], "copied with its expiry"
        clock.advance(0.6)  # 4.1 s after it was stored
        third = make_cache(clock, redis, disk)
        for cache in (first, second, third):
            assert cache.get_from_memory(KEY) is None
            assert await cache.get_from_levels(KEY) is None

    asyncio.run(run())


@pytest.mark.parametrize("looks", [[1.0, 2.0, 3.0, 3.99], [3.99]])
def test_response_is_served_until_its_ttl_and_not_after(clock: ManualClock, looks: list[float]) -> None:
    cache = make_cache(clock)
    cache.put(KEY, b"response")
    now = 0.0
    for look in looks:
        clock.advance(look - now)
        now = look
        assert cache.get_from_memory(KEY) == b"response"
    clock.advance(4.0 - now)
    assert cache.get_from_memory(KEY) is None


def test_stored_again_a_response_has_a_new_expiry(clock: ManualClock) -> None:
    cache = make_cache(clock)
    cache.put(KEY, b"first")
    clock.advance(3)
    cache.put(KEY, b"second")
    clock.advance(3)
    assert cache.get_from_memory(KEY) == b"second"


def test_encoded_entry_decodes_to_itself_and_anything_else_to_nothing() -> None:
    entry = CachedResponse(1_700_000_004.0, b"HTTP/1.1 200 OK\r\n\r\n1\n2")
    assert CachedResponse.decode(entry.encode()) == entry
    for data in (b"", b"\n", b"HTTP/1.1 200 OK\r\n\r\n", b"-1\nx", b"12", b"9" * 400 + b"\nx"):
        assert CachedResponse.decode(data) is None
