"""Admission, queueing and the count of requests in flight."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from novacron_serving.clock import ManualClock
from novacron_serving.coordinator.config import CoordinatorConfig, RoutingPolicy
from novacron_serving.errors import RequestError

from .cluster import Cluster, Request


def finish(cluster: Cluster, request: Request) -> None:
    """Do what a request does once its response is complete."""
    one: Any = request
    cluster.scheduler.release(one)
    cluster.scheduler.release_slots(one)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_deeply_nested_prompts_do_not_change_the_count_of_requests_in_flight(cluster: Cluster) -> None:
    cluster.register("a")
    for _ in range(50):
        bomb: Any = Request()
        with pytest.raises(RequestError) as caught:
            cluster.scheduler.admit(bomb, {"model": "m", "prompt": nested(1000)}, None)
        assert caught.value.status == 400
        cluster.scheduler.release(bomb)
        assert cluster.scheduler.in_flight == 0
    assert cluster.send().worker is not None
    assert cluster.scheduler.in_flight == 1


def test_releasing_a_request_twice_or_without_admission_has_no_effect(cluster: Cluster) -> None:
    cluster.register("a")
    first, second = cluster.send(), cluster.send()
    stranger: Any = Request()
    for request in (first, first, stranger, stranger):
        released: Any = request
        cluster.scheduler.release(released)
    assert cluster.scheduler.in_flight == 1
    finish(cluster, second)
    assert cluster.scheduler.in_flight == 0


def test_request_beyond_max_requests_is_429_until_another_one_is_released(clock: ManualClock) -> None:
    cluster = Cluster(clock, CoordinatorConfig(max_requests=2))
    cluster.register("a")
    first, _ = cluster.send(), cluster.send()
    assert cluster.refused("m").status == 429
    assert cluster.scheduler.in_flight == 2
    finish(cluster, first)
    assert cluster.ask().worker_id == "a"


def test_queued_request_gets_the_slot_that_becomes_free(clock: ManualClock) -> None:
    cluster = Cluster(clock, CoordinatorConfig(worker_queue=0))
    cluster.register("a", slots=1)
    first, second = cluster.send(), cluster.send()
    assert (first.worker.worker_id, second.worker, cluster.scheduler.queued) == ("a", None, 1)
    finish(cluster, first)
    assert (second.worker.worker_id, cluster.scheduler.queued, cluster.scheduler.in_flight) == ("a", 0, 1)


def test_requests_time_out_in_the_queue_and_at_a_worker_that_does_not_respond(clock: ManualClock) -> None:
    cluster = Cluster(clock, CoordinatorConfig(worker_queue=0, queue_timeout_s=10, first_byte_timeout_s=20))
    worker = cluster.register("a", slots=1)
    silent, queued = cluster.send(), cluster.send()
    cluster.after(10, worker)
    assert (silent.error, queued.error) == (None, None)
    cluster.after(1, worker)
    assert queued.error is not None
    assert (queued.error.status, str(queued.error)) == (503, "no worker had capacity within 10 s")
    cluster.after(10, worker)
    assert silent.error is not None
    assert silent.error.status == 504


@given(st.lists(st.sampled_from(["send", "bomb", "finish", "release again", "tick"]), max_size=60))
def test_count_of_requests_in_flight_equals_those_not_yet_finished(steps: list[str]) -> None:
    cluster = Cluster(ManualClock(), CoordinatorConfig(worker_queue=0, routing=RoutingPolicy.PREFIX_AFFINE))
    worker = cluster.register("a", slots=2)
    open_requests: list[Request] = []
    for step in steps:
        if step == "send":
            open_requests.append(cluster.send())
        elif step == "bomb":
            bomb: Any = Request()
            with pytest.raises(RequestError):
                cluster.scheduler.admit(bomb, {"model": "m", "prompt": nested(300)}, None)
            cluster.scheduler.release(bomb)
        elif step == "tick":
            cluster.after(0.25)
        elif open_requests:
            request: Any = open_requests.pop(0)
            finish(cluster, request)
            if step == "release again":
                cluster.scheduler.release(request)
        assert cluster.scheduler.in_flight == len(open_requests)
        assert 0 <= cluster.scheduler.queued <= cluster.scheduler.in_flight
        assert worker.in_flight == min(2, len(open_requests))


# the identity of what a model's workers serve


def test_model_identity_is_the_digest_that_all_workers_report(cluster: Cluster) -> None:
    cluster.register("a", digest="one")
    assert cluster.workers.pools["m"].model_identity == "one"
    cluster.register("b", digest="one")
    assert cluster.workers.pools["m"].model_identity == "one"
    cluster.register("b", "2", digest="two")
    assert cluster.workers.pools["m"].model_identity is None


def test_model_without_a_digest_is_identified_by_the_processes_that_serve_it(cluster: Cluster) -> None:
    cluster.register("a", "1")
    first = cluster.workers.pools["m"].model_identity
    assert first
    cluster.register("a", "1")
    assert cluster.workers.pools["m"].model_identity == first
    cluster.register("b", "2")
    both = cluster.workers.pools["m"].model_identity
    cluster.register("a", "3")  # restarted, perhaps with another model in the same folder
    assert len({first, both, cluster.workers.pools["m"].model_identity}) == 3
    cluster.register("a", "")
    assert cluster.workers.pools["m"].model_identity is None
