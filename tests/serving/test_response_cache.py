"""Answers that are given again: to whom, for which request, from which level, and what happens when a level is away."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import HTTP
from .databases import Redis, needs_redis
from .gateway import Gateway, body

SHA_OF_RARE = hashlib.sha256(b"rare").hexdigest()

pytestmark = pytest.mark.xdist_group("gateway")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
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


def again(gateway: Gateway, key: str, **options: Any) -> bool:
    """Whether the answer was given before."""
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


def test_who_gets_an_answer_again_and_for_what(make: Any) -> None:
    gateway = make()
    assert [again(gateway, "sk-own-1"), again(gateway, "sk-own-1")] == [False, True]
    assert not again(gateway, "sk-own-2"), "another key's answers are its own"
    assert [again(gateway, "sk-shared-1"), again(gateway, "sk-shared-2")] == [False, True]
    assert not again(gateway, "sk-shared-1", max_tokens=5), "another request"
    assert not again(gateway, "sk-user"), "a key that did not ask for it"
    assert not again(gateway, "sk-user")
    for options in ({"temperature": 0.5}, {"temperature": None}, {"temperature": False}):
        assert not again(gateway, "sk-shared-1", **options)
        assert not again(gateway, "sk-shared-1", **options)
    assert [again(gateway, "sk-shared-1", stream=True), again(gateway, "sk-shared-2", stream=True)] == [False, True]
    assert (lookups(gateway, "memory", "hit"), lookups(gateway, "memory", "miss")) == (3, 5)
    assert len(gateway.seen("a")["requests"]) == 5 + 2 + 6


def test_an_answer_that_was_no_answer_is_not_kept(make: Any) -> None:
    gateway = make()
    headers = {"authorization": "Bearer sk-own-1"}
    for act, status in (({"status": 400}, 400), ({"status": 503}, 503)):
        for _ in range(2):
            answer = HTTP.post(
                f"{gateway.url}/v1/chat/completions", json=body({"*": act}) | {"temperature": 0}, headers=headers
            )
            assert (answer.status_code, answer.headers.get("x-novacron-cache")) == (status, None)


def test_a_rate_holds_for_answers_given_again(make: Any) -> None:
    rare = {"name": "rare", "sha256": SHA_OF_RARE, "requests_per_minute": 2, "cache": "own"}
    gateway = make(api_keys=[rare], key="rare")
    statuses = [
        HTTP.post(
            f"{gateway.url}/v1/chat/completions", json=body({}) | {"temperature": 0},
            headers={"authorization": "Bearer rare"},
        ).status_code for _ in range(3)
    ]  # fmt: skip
    assert statuses == [200, 200, 429]


def test_an_answer_is_on_disk_after_a_restart(make: Any, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    gateway = make(cache={"disk": str(folder)})
    assert not again(gateway, "sk-own-1")
    gateway.stop()
    assert len(list(folder.iterdir())) == 1
    second = make(cache={"disk": str(folder)})
    assert again(second, "sk-own-1")
    assert lookups(second, "disk", "hit") == 1
    assert again(second, "sk-own-1")
    assert lookups(second, "memory", "hit") == 1, "it is nearer now"


@needs_redis
def test_coordinators_share_answers_over_redis_and_go_on_without_it(make: Any, tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    redis = Redis(tmp_path / "redis")
    redis.start()
    try:
        one, two = (make(cache={"redis": True}, redis_url=redis.url) for _ in range(2))
        assert not again(one, "sk-own-1")
        assert again(two, "sk-own-1")
        assert lookups(two, "redis", "hit") == 1
    finally:
        redis.stop()
    assert again(two, "sk-own-1"), "memory has it"
    assert not again(two, "sk-own-1", max_tokens=7)
    assert again(two, "sk-own-1", max_tokens=7)
