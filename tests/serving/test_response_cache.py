"""The response cache of real coordinators: keys, levels, restarts and unavailable levels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .databases import Redis, needs_redis
from .gateway import Gateway, MakeGateway, body
from .stack import HTTP

SHA_OF_RARE = hashlib.sha256(b"rare").hexdigest()

pytestmark = pytest.mark.xdist_group("gateway")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeGateway]:
    made: list[Gateway] = []

    def start(*, key: str = "sk-admin", **config: Any) -> Gateway:
        made.append(Gateway(tmp_path / str(len(made)), **({"cache": {}} | config)))
        made[-1].start_workers("a", key=key)
        return made[-1]

    try:
        yield start
    finally:
        for one in made:
            one.stop()


def is_cached(gateway: Gateway, key: str, **options: Any) -> bool:
    """Send a request, and return whether its response came from the cache."""
    answer = HTTP.post(
        f"{gateway.url}/v1/chat/completions", json=body({}) | {"temperature": 0} | options,
        headers={"authorization": f"Bearer {key}"},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert "[DONE]" in answer.text if options.get("stream") else answer.json()["choices"]
    return answer.headers.get("x-novacron-cache") == "hit"


def lookups(gateway: Gateway, level: str, result: str) -> float:
    for line in HTTP.get(f"{gateway.url}/metrics").text.splitlines():
        if line.startswith(f'novacron_cache_lookups_total{{level="{level}",result="{result}"}}'):
            return float(line.split()[-1])
    return 0.0


def test_cached_response_is_returned_for_the_same_key_and_request_only(make: MakeGateway) -> None:
    gateway = make()
    assert [is_cached(gateway, "sk-own-1"), is_cached(gateway, "sk-own-1")] == [False, True]
    assert not is_cached(gateway, "sk-own-2"), "responses of another key are not shared"
    assert [is_cached(gateway, "sk-shared-1"), is_cached(gateway, "sk-shared-2")] == [False, True]
    assert not is_cached(gateway, "sk-shared-1", max_tokens=5), "another request"
    assert not is_cached(gateway, "sk-user"), "a key without the cache setting"
    assert not is_cached(gateway, "sk-user")
    for options in ({"temperature": 0.5}, {"temperature": None}, {"temperature": False}):
        assert not is_cached(gateway, "sk-shared-1", **options)
        assert not is_cached(gateway, "sk-shared-1", **options)
    assert [is_cached(gateway, "sk-shared-1", stream=True), is_cached(gateway, "sk-shared-2", stream=True)] == [
        False,
        True,
    ]
    assert (lookups(gateway, "memory", "hit"), lookups(gateway, "memory", "miss")) == (3, 5)
    assert len(gateway.seen("a")["requests"]) == 5 + 2 + 6


def test_error_responses_are_not_cached(make: MakeGateway) -> None:
    gateway = make()
    headers = {"authorization": "Bearer sk-own-1"}
    for act, status in (({"status": 400}, 400), ({"status": 503}, 503)):
        for _ in range(2):
            answer = HTTP.post(
                f"{gateway.url}/v1/chat/completions", json=body({"*": act}) | {"temperature": 0}, headers=headers
            )
            assert (answer.status_code, answer.headers.get("x-novacron-cache")) == (status, None)


def test_cached_responses_count_for_the_rate_limit(make: MakeGateway) -> None:
    rare = {"name": "rare", "sha256": SHA_OF_RARE, "requests_per_minute": 2, "cache": "own"}
    gateway = make(api_keys=[rare], key="rare")
    statuses = [
        HTTP.post(
            f"{gateway.url}/v1/chat/completions", json=body({}) | {"temperature": 0},
            headers={"authorization": "Bearer rare"},
        ).status_code for _ in range(3)
    ]  # fmt: skip
    assert statuses == [200, 200, 429]


def test_cached_response_is_on_disk_after_a_restart(make: MakeGateway, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    gateway = make(cache={"disk": str(folder)})
    assert not is_cached(gateway, "sk-own-1")
    gateway.stop()
    assert len(list(folder.iterdir())) == 1
    second = make(cache={"disk": str(folder)})
    assert is_cached(second, "sk-own-1")
    assert lookups(second, "disk", "hit") == 1
    assert is_cached(second, "sk-own-1")
    assert lookups(second, "memory", "hit") == 1, "it was copied to memory"


@needs_redis
def test_cached_responses_are_shared_through_redis_and_survive_its_outage(make: MakeGateway, tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    redis = Redis(tmp_path / "redis")
    redis.start()
    try:
        one, two = (make(cache={"redis": True}, redis_url=redis.url) for _ in range(2))
        assert not is_cached(one, "sk-own-1")
        assert is_cached(two, "sk-own-1")
        assert lookups(two, "redis", "hit") == 1
    finally:
        redis.stop()
    assert is_cached(two, "sk-own-1"), "memory has it"
    assert not is_cached(two, "sk-own-1", max_tokens=7)
    assert is_cached(two, "sk-own-1", max_tokens=7)
