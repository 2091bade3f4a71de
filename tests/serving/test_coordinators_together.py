"""Several coordinators at once, with a real database and a real Redis: what they share, and what they do without."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import HTTP, answers, wait_until
from .databases import Postgres, Redis, needs_postgres, needs_redis
from .gateway import Gateway

pytestmark = pytest.mark.xdist_group("gateway")

ADMIN = {"authorization": "Bearer sk-admin"}


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    made = Postgres()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    folder = tmp_path / "redis"
    folder.mkdir()
    made = Redis(folder)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def coordinators(tmp_path: Path) -> Iterator[Callable[..., list[Gateway]]]:
    made: list[Gateway] = []

    def make(count: int, **config: Any) -> list[Gateway]:
        made.extend(Gateway(tmp_path / f"coordinator-{at}", waits=False, **config) for at in range(count))
        for one in made:
            one.wait()
        return made

    try:
        yield make
    finally:
        for one in made:
            one.stop()


def make_key(gateway: Gateway, name: str, **said: Any) -> str:
    answer = HTTP.post(f"{gateway.url}/api/v1/llm/keys", json={"name": name} | said, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    return answer.json()["key"]


def knows(gateway: Gateway, key: str) -> bool:
    return gateway.get("/v1/models", key=key).status_code == 200


def degraded(gateway: Gateway) -> dict[str, str]:
    return HTTP.get(f"{gateway.url}/ready").json()["degraded"]


def test_keys_are_made_listed_and_revoked(tmp_path: Path, coordinators: Any) -> None:
    (gateway,) = coordinators(1, database_url=f"sqlite:///{tmp_path}/keys.db")
    key = make_key(gateway, "team-a", requests_per_minute=100)
    assert knows(gateway, key)
    listed = gateway.get("/api/v1/llm/keys").json()["data"]
    assert {
        "name": "team-a",
        "role": "user",
        "priority": 0,
        "requests_per_minute": 100,
        "tokens_per_minute": None,
        "cache": "off",
    } in listed
    assert key not in str(listed)
    assert "sha256" not in str(listed)
    again = HTTP.post(f"{gateway.url}/api/v1/llm/keys", json={"name": "team-a"}, headers=ADMIN)
    assert (again.status_code, again.json()["error"]["param"]) == (409, "name")
    assert HTTP.delete(f"{gateway.url}/api/v1/llm/keys/team-a", headers=ADMIN).status_code == 204
    assert not knows(gateway, key)
    assert HTTP.delete(f"{gateway.url}/api/v1/llm/keys/team-a", headers=ADMIN).status_code == 404


@pytest.mark.parametrize(
    "said",
    [
        {}, {"name": ""}, {"name": "a b"}, {"name": 1}, {"name": "a", "role": "god"}, {"name": "a", "priority": 11},
        {"name": "a", "requests_per_minute": 0}, {"name": "a", "more": 1}, {"name": "administrator/../x"}, [],
    ],
)  # fmt: skip
def test_a_key_that_makes_no_sense_is_refused(tmp_path: Path, coordinators: Any, said: Any) -> None:
    (gateway,) = coordinators(1, database_url=f"sqlite:///{tmp_path}/keys.db")
    assert HTTP.post(f"{gateway.url}/api/v1/llm/keys", json=said, headers=ADMIN).status_code == 400


def test_only_an_administrator_makes_keys(tmp_path: Path, coordinators: Any) -> None:
    (gateway,) = coordinators(1, database_url=f"sqlite:///{tmp_path}/keys.db")
    operator = make_key(gateway, "operator", role="operator")
    for key in (operator, "sk-user"):
        headers = {"authorization": f"Bearer {key}"}
        assert HTTP.post(f"{gateway.url}/api/v1/llm/keys", json={"name": "x"}, headers=headers).status_code == 403
    load = f"{gateway.url}/api/v1/llm/models/none/load"
    assert HTTP.post(load, json={}, headers={"authorization": f"Bearer {operator}"}).status_code != 403


def test_without_a_database_keys_come_from_the_configuration_alone(coordinators: Any) -> None:
    (gateway,) = coordinators(1)
    answer = HTTP.post(f"{gateway.url}/api/v1/llm/keys", json={"name": "x"}, headers=ADMIN)
    assert answer.status_code == 501
    assert "database_url" in answer.json()["error"]["message"]


@needs_postgres
def test_a_key_of_one_coordinator_is_known_to_the_others_and_postgres_may_restart(
    postgres: Postgres, coordinators: Any
) -> None:
    one, two, three = coordinators(3, database_url=postgres.url)
    one.start_workers("a")
    key = make_key(one, "team-a")
    for other in (two, three):
        wait_until(lambda other=other: knows(other, key), "the others know it", 10)
    postgres.stop()
    wait_until(lambda: "database" in degraded(one), "it says so", 15)
    assert one.ask({}, key=key).status_code == 200, "what it knows it goes on with"
    answer = HTTP.post(f"{one.url}/api/v1/llm/keys", json={"name": "team-b"}, headers=ADMIN, timeout=30)
    assert answer.status_code == 503
    postgres.start()
    wait_until(lambda: degraded(one) == {}, "it is whole again", 15)
    make_key(one, "team-b")
    three.coordinator.kill()
    assert HTTP.delete(f"{two.url}/api/v1/llm/keys/team-a", headers=ADMIN).status_code == 204
    wait_until(lambda: not knows(one, key), "a revoked key is gone everywhere", 10)


@needs_postgres
def test_a_coordinator_starts_while_its_database_is_away(postgres: Postgres, coordinators: Any) -> None:
    postgres.stop()
    (gateway,) = coordinators(1, database_url=postgres.url)
    gateway.start_workers("a")
    assert gateway.ask({}).status_code == 200
    assert answers(f"{gateway.url}/ready")
    assert "database" in degraded(gateway)
    postgres.start()
    wait_until(lambda: degraded(gateway) == {}, "it finds it", 15)
    make_key(gateway, "late")


@needs_redis
def test_a_rate_holds_over_all_coordinators_and_redis_may_restart(
    tmp_path: Path, redis: Redis, coordinators: Any
) -> None:
    one, two = coordinators(2, database_url=f"sqlite:///{tmp_path}/keys.db", redis_url=redis.url)
    for gateway in (one, two):
        gateway.start_workers("a")
        gateway.ports.clear()
    keys = [make_key(one, name, requests_per_minute=20) for name in ("team-a", "team-b")]
    wait_until(lambda: all(knows(two, key) for key in keys), "both know them", 10)

    def used_up_at_one_is_used_up_at_two(key: str) -> None:
        assert 429 in [one.ask({}, key=key).status_code for _ in range(25)]
        wait_until(lambda: two.ask({}, key=key).status_code == 429, "the other has heard of it", 5)

    time.sleep(1.5)  # both have heard of the counters
    used_up_at_one_is_used_up_at_two(keys[0])
    redis.stop()
    wait_until(lambda: "redis" in degraded(one), "it says so", 10)
    assert one.ask({}).status_code == 200
    redis.start()
    wait_until(lambda: degraded(one) == degraded(two) == {}, "they are whole again", 10)
    time.sleep(1.5)
    used_up_at_one_is_used_up_at_two(keys[1])
