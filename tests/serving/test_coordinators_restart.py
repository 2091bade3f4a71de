"""Three coordinators with one PostgreSQL and one Redis: kills, restarts and loads under traffic."""

from __future__ import annotations

import concurrent.futures
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from novacron_serving.models import open_folder, publish

from tests.polling import wait_until

from .databases import Postgres, Redis, needs_postgres, needs_redis
from .gateway import Gateway, MakeGateway, body
from .stack import HTTP, answers
from .test_coordinators_together import ADMIN, create_key

pytestmark = [pytest.mark.xdist_group("gateway"), needs_postgres, needs_redis]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Gateway]]:
    """Coordinators and workers that are registered with all of them. Tests leave them running."""
    folder = tmp_path_factory.mktemp("three")
    postgres, redis = Postgres(), Redis(folder)
    made: list[Gateway] = []
    try:
        postgres.start()
        redis.start()
        urls: Any = {"database_url": postgres.url, "redis_url": redis.url}
        more: Any = {"drain_notice_s": 0.5, "lost_after_s": 1.5, "forget_after_s": 3.0}
        made += [Gateway(folder / str(at), waits=False, **urls, **more) for at in range(3)]
        for one in made:
            one.wait()
        made[0].start_workers("a", "b", also=made[1:])
        for one in made[1:]:
            wait_until(lambda one=one: one.status("a") == one.status("b") == "active", "all know the workers", 10)
        yield made
    finally:
        for one in made:
            one.stop()
        redis.stop()
        postgres.remove()


@contextmanager
def load(gateways: list[Gateway], key: str = "sk-user") -> Iterator[list[int]]:
    """Send requests as a load balancer does: to ready coordinators, and to the next one when a connection fails.

    Yields the statuses of the responses.
    """
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=30, headers={"authorization": f"Bearer {key}"}, trust_env=False) as client:
            turns = itertools.cycle(gateways)
            while not over.is_set():
                for gateway in itertools.islice(turns, 3 * len(gateways)):
                    try:
                        if client.get(f"{gateway.url}/ready").status_code != 200:
                            continue
                        url = f"{gateway.url}/v1/chat/completions"
                        statuses.append(client.post(url, json=body({"*": {"every_s": 0.005}})).status_code)
                        break
                    except httpx.TransportError:
                        continue
                else:
                    statuses.append(0)

    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        asking = [threads.submit(ask) for _ in range(3)]
        try:
            yield statuses
        finally:
            over.set()
    for one in asking:
        one.result()


def call(gateway: Gateway, path: str, fields: dict[str, Any]) -> httpx.Response:
    return HTTP.post(f"{gateway.url}/api/v1/llm/models{path}", json=fields, headers=ADMIN)


def models_at(gateway: Gateway) -> list[str]:
    return sorted(one["model"] for one in gateway.get("/api/v1/llm/cluster/status").json()["workers"])


def test_assignment_is_known_to_all_coordinators_and_survives_restarts(three: list[Gateway], tmp_path: Path) -> None:
    one, two, last = three
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "pytorch_model.bin").write_text("none")
    url = f"file://{tmp_path}/store"
    publish(tmp_path / "model", open_folder(url), model_id="second")
    assert call(one, "", {"url": url}).status_code == 201
    ask = {"model": "second"}
    wait_until(lambda: last.ask({}, **ask).json()["error"]["code"] == "model_not_loaded", "others know it", 5)
    assert last.ask({}, model="third").status_code == 404
    assert call(one, "/second/load", {}).status_code == 202
    for gateway in (two, last):
        wait_until(lambda gateway=gateway: models_at(gateway) == ["scripted", "second"], "all see the loaded model", 10)
    assert two.ask({}, **ask).status_code == 200
    (worker_id,) = [
        worker["worker_id"]
        for worker in two.get("/api/v1/llm/cluster/status").json()["workers"]
        if worker["model"] == "second"
    ]
    one.coordinator.kill()
    one.coordinator.wait()
    one.start()
    one.workers[worker_id].kill()
    one.workers[worker_id].wait()
    one.start_workers(worker_id, also=[two, last])
    for gateway in three:
        wait_until(
            lambda gateway=gateway: models_at(gateway) == ["scripted", "second"],
            "it is assigned again",
            10,
        )
    assert call(last, "/second/unload", {"force": True}).status_code == 202
    for gateway in three:
        wait_until(
            lambda gateway=gateway: models_at(gateway) == ["scripted", "scripted"],
            "the model is unloaded",
            10,
        )


def test_model_is_loaded_onto_workers_with_a_performance_profile(fresh: MakeGateway, tmp_path: Path) -> None:
    gateway = fresh(database_url=f"sqlite:///{tmp_path}/keys.db")
    gateway.start_workers("a", "b", "c")
    gateway.start_workers("q", PROFILE="quality")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "pytorch_model.bin").write_text("none")
    publish(tmp_path / "model", open_folder(f"file://{tmp_path}/store"), model_id="second")
    assert call(gateway, "", {"url": f"file://{tmp_path}/store"}).status_code == 201
    refused = call(gateway, "/second/load", {"performance_profile": "memory"})
    assert (refused.status_code, "with the profile memory" in refused.text) == (409, True)
    assert call(gateway, "/second/load", {"performance_profile": "quality"}).json()["loading"] == ["q"]
    wait_until(lambda: models_at(gateway).count("second") == 1, "the model is loaded", 10)
    more = call(gateway, "/second/load", {"performance_profile": "balanced"}).json()
    assert (more["worker_count"], len(more["loading"])) == (0, 1)


def test_keys_and_rate_limits_hold_while_a_coordinator_is_killed_under_load(three: list[Gateway]) -> None:
    one, two, last = three
    key = create_key(one, "limited", requests_per_minute=20)
    statuses_of: Callable[[Gateway], int] = lambda gateway: gateway.ask({}, key=key).status_code  # noqa: E731
    wait_until(lambda: statuses_of(two) == 200, "the others know the key", 10)
    with load(three) as statuses:
        wait_until(lambda: len(statuses) > 20, "the load has started", 10)
        one.coordinator.kill()
        one.coordinator.wait()
        before = len(statuses)
        wait_until(lambda: len(statuses) > before + 50, "the others serve the load", 10)
        assert 429 in [statuses_of(two) for _ in range(25)]
        wait_until(lambda: statuses_of(last) == 429, "the other knows the usage", 5)
        one.start()
        wait_until(lambda: answers(f"{one.url}/ready"), "the coordinator is ready again", 10)
    assert set(statuses) == {200}


def test_rolling_restart_of_coordinators_under_load_fails_no_request(three: list[Gateway]) -> None:
    with load(three) as statuses:
        for gateway in three:
            gateway.coordinator.terminate()
            assert gateway.coordinator.wait(15) == 0
            gateway.start()
            wait_until(lambda gateway=gateway: answers(f"{gateway.url}/ready"), "the coordinator is ready again", 10)
    assert len(statuses) > 100
    assert set(statuses) == {200}
