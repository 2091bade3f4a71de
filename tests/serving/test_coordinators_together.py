"""Several coordinators with a real database and a real Redis: shared API keys and rate limits, and outages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.polling import wait_until

from .databases import Postgres, Redis, needs_postgres, needs_redis
from .gateway import Gateway
from .stack import HTTP, answers

pytestmark = pytest.mark.xdist_group("gateway")

MakeCoordinators: TypeAlias = Callable[..., list[Gateway]]
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
def coordinators(tmp_path: Path) -> Iterator[MakeCoordinators]:
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


def create_key(gateway: Gateway, name: str, **fields: Any) -> str:
    answer = HTTP.post(f"{gateway.url}/api/v1/llm/keys", json={"name": name} | fields, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    return answer.json()["key"]


def knows(gateway: Gateway, key: str) -> bool:
    return gateway.get("/v1/models", key=key).status_code == 200


def degraded(gateway: Gateway) -> dict[str, str]:
    return HTTP.get(f"{gateway.url}/ready").json()["degraded"]


def test_api_keys_are_created_listed_and_revoked(tmp_path: Path, coordinators: MakeCoordinators) -> None:
    (gateway,) = coordinators(1, database_url=f"sqlite:///{tmp_path}/keys.db")
    key = create_key(gateway, "team-a", requests_per_minute=100)
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
    "fields",
    [
        {}, {"name": ""}, {"name": "a b"}, {"name": 1}, {"name": "a", "role": "god"}, {"name": "a", "priority": 11},
        {"name": "a", "requests_per_minute": 0}, {"name": "a", "more": 1}, {"name": "administrator/../x"}, [],
    ],
)  # fmt: skip
def test_invalid_fields_of_a_new_api_key_are_400(tmp_path: Path, coordinators: MakeCoordinators, fields: Any) -> None:
    (gateway,) = coordinators(1, database_url=f"sqlite:///{tmp_path}/keys.db")
    assert HTTP.post(f"{gateway.url}/api/v1/llm/keys", json=fields, headers=ADMIN).status_code == 400


def test_only_the_admin_role_creates_api_keys(tmp_path: Path, coordinators: MakeCoordinators) -> None:
    (gateway,) = coordinators(1, database_url=f"sqlite:///{tmp_path}/keys.db")
    operator = create_key(gateway, "operator", role="operator")
    for key in (operator, "sk-user"):
        headers = {"authorization": f"Bearer {key}"}
        assert HTTP.post(f"{gateway.url}/api/v1/llm/keys", json={"name": "x"}, headers=headers).status_code == 403
    load = f"{gateway.url}/api/v1/llm/models/none/load"
    assert HTTP.post(load, json={}, headers={"authorization": f"Bearer {operator}"}).status_code != 403


def test_creating_an_api_key_without_a_database_is_501(coordinators: MakeCoordinators) -> None:
    (gateway,) = coordinators(1)
    answer = HTTP.post(f"{gateway.url}/api/v1/llm/keys", json={"name": "x"}, headers=ADMIN)
    assert answer.status_code == 501
    assert "database_url" in answer.json()["error"]["message"]


@needs_postgres
def test_api_keys_are_shared_through_postgres_and_survive_its_outage(
    postgres: Postgres, coordinators: MakeCoordinators
) -> None:
    one, two, three = coordinators(3, database_url=postgres.url)
    one.start_workers("a")
    key = create_key(one, "team-a")
    for other in (two, three):
        wait_until(lambda other=other: knows(other, key), "the others know the key", 10)
    postgres.stop()
    wait_until(lambda: "database" in degraded(one), "the outage is reported", 15)
    assert one.ask({}, key=key).status_code == 200, "known keys work during the outage"
    answer = HTTP.post(f"{one.url}/api/v1/llm/keys", json={"name": "team-b"}, headers=ADMIN, timeout=30)
    assert answer.status_code == 503
    postgres.start()
    wait_until(lambda: degraded(one) == {}, "the outage is over", 15)
    create_key(one, "team-b")
    three.coordinator.kill()
    assert HTTP.delete(f"{two.url}/api/v1/llm/keys/team-a", headers=ADMIN).status_code == 204
    wait_until(lambda: not knows(one, key), "the revoked key is unknown everywhere", 10)


@needs_postgres
def test_coordinator_starts_without_its_database(postgres: Postgres, coordinators: MakeCoordinators) -> None:
    postgres.stop()
    (gateway,) = coordinators(1, database_url=postgres.url)
    gateway.start_workers("a")
    assert gateway.ask({}).status_code == 200
    assert answers(f"{gateway.url}/ready")
    assert "database" in degraded(gateway)
    postgres.start()
    wait_until(lambda: degraded(gateway) == {}, "the database is reachable", 15)
    create_key(gateway, "late")


@needs_redis
def test_rate_limits_are_shared_through_redis_and_survive_its_restart(
    tmp_path: Path, redis: Redis, coordinators: MakeCoordinators
) -> None:
    one, two = coordinators(2, database_url=f"sqlite:///{tmp_path}/keys.db", redis_url=redis.url)
    for gateway in (one, two):
        gateway.start_workers("a")
        gateway.ports.clear()
    keys = [create_key(one, name, requests_per_minute=20) for name in ("team-a", "team-b")]
    wait_until(lambda: all(knows(two, key) for key in keys), "both know the keys", 10)

    def check_that_usage_is_shared(key: str) -> None:
        before = redis.calls("incrbyfloat")
        wait_until(lambda: redis.calls("incrbyfloat") >= before + 4 * len(keys), "both have read the counters", 15)
        assert 429 in [one.ask({}, key=key).status_code for _ in range(25)]
        wait_until(lambda: two.ask({}, key=key).status_code == 429, "the other knows the usage", 5)

    check_that_usage_is_shared(keys[0])
    redis.stop()
    wait_until(lambda: "redis" in degraded(one), "the outage is reported", 10)
    assert one.ask({}).status_code == 200
    redis.start()
    wait_until(lambda: degraded(one) == degraded(two) == {}, "the outage is over", 10)
    check_that_usage_is_shared(keys[1])
