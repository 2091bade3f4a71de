"""Which worker a request goes to, who waits for whom, and how much a key may use: decisions without a process."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from novacron_serving.coordinator import access as access_module
from novacron_serving.coordinator.access import Access, ApiKey, Caller, Role
from novacron_serving.coordinator.admission import FairQueue
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.coordinator.routing import (
    BLOCK_BYTES,
    BLOCK_TOKENS,
    MEAN_LOAD_FACTOR,
    LeastLoaded,
    PrefixAffine,
    RoundRobin,
    blocks_of,
)
from novacron_serving.coordinator.workers import Worker, Workers, WorkerStatus
from novacron_serving.errors import RequestError

SYSTEM = {"role": "system", "content": "You are helpful. " * 60}


def worker(at: int, load: int = 0, **said: Any) -> Worker:
    return Worker(
        worker_id=f"w{at}", address="", model_id="m", engine="", max_concurrent_requests=8, max_context_tokens=0,
        upstream=None, seen_s=0, capacity=100, slot=at, seed=at * 2654435761, load=load, **said,
    )  # type: ignore[arg-type]  # fmt: skip


def prefix(*contents: str) -> tuple[int, ...]:
    roles = itertools.cycle(("user", "assistant"))
    return blocks_of({"messages": [SYSTEM, *({"role": next(roles), "content": text} for text in contents)]}, None)


def test_a_longer_conversation_begins_with_the_blocks_of_the_shorter_one() -> None:
    short, long = prefix("Hello " * 200), prefix("Hello " * 200, "Yes " * 300, "And " * 100)
    whole = len(short) - 1  # the last one is not full
    assert whole > 2
    assert long[:whole] == short[:whole]


@given(st.lists(st.text(max_size=2 * BLOCK_BYTES), max_size=4))
def test_blocks_are_the_same_each_time_and_differ_with_what_came_before(contents: list[str]) -> None:
    assert prefix(*contents) == prefix(*contents)
    other = blocks_of({"messages": [{"role": "system", "content": "X" * BLOCK_BYTES}, SYSTEM]}, None)
    assert not set(other) & set(prefix(*contents))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "messages": st.recursive(
                st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
            ),
            "prompt": st.none() | st.text() | st.lists(st.integers()),
            "tools": st.none() | st.integers() | st.lists(st.text()),
        },
    )
)
def test_any_request_has_a_prefix(request: dict[str, Any]) -> None:
    assert isinstance(blocks_of(request, None), tuple)


def test_a_conversation_stays_where_its_cache_is_and_a_new_one_goes_where_there_is_room() -> None:
    workers, router = [worker(at) for at in range(4)], PrefixAffine()
    first = router.choose(workers, prefix("One " * 300))
    first.sent()
    assert router.choose(workers, prefix("One " * 300, "Yes. " * 100, "More")) is first
    assert router.choose(workers, ()) is not first


def test_nobody_gets_more_than_its_share_for_the_sake_of_its_cache() -> None:
    workers, router = [worker(at) for at in range(4)], PrefixAffine()
    for _ in range(400):
        router.choose(workers, prefix("The same for all " * 100)).sent()
    assert max(one.in_flight for one in workers) <= MEAN_LOAD_FACTOR * 100 + 1


def test_coordinators_agree_on_beginnings_that_are_new_to_them() -> None:
    beginnings = [prefix(f"Conversation {at} " * 40)[-4:] for at in range(400)]
    chosen = [[PrefixAffine().choose([worker(at) for at in range(4)], one).worker_id for one in beginnings]] * 2
    assert chosen[0] == chosen[1]
    assert min(Counter(chosen[0]).values()) > 60, "each worker gets its part"


def test_what_a_worker_cannot_hold_any_more_is_forgotten() -> None:
    small = [worker(at, kv_cache_capacity_tokens=10 * BLOCK_TOKENS) for at in range(3)]
    router = PrefixAffine()
    for at in range(50):
        router.choose(small, prefix(f"{at} " * 1000))
    assert all(len(blocks) <= 10 for blocks in router._blocks.values())
    assert len(router._holders) <= 30


def test_a_worker_that_is_gone_is_remembered_no_more() -> None:
    workers, router = [worker(at) for at in range(2)], PrefixAffine()
    chosen = router.choose(workers, prefix("Hello " * 300))
    router.gone(chosen)
    assert router._holders == {}


def test_round_robin_and_least_loaded() -> None:
    workers = [worker(0, 3), worker(1, 1), worker(2, 2)]
    assert LeastLoaded().choose(workers, ()).worker_id == "w1"
    router = RoundRobin()
    assert {router.choose(workers, ()).worker_id for _ in range(3)} == {"w0", "w1", "w2"}


class Item:
    def __init__(self, caller: Caller, name: str) -> None:
        self.caller, self.name, self.abandoned = caller, name, False


def drained(queue: FairQueue[Item]) -> list[str]:
    return [item.name for item in iter(queue.take, None)]


def test_the_queue_goes_by_priority_then_key_in_turn_then_arrival() -> None:
    many, few, first = (Caller(name, Role.USER, priority) for name, priority in (("many", 0), ("few", 0), ("first", 3)))
    queue: FairQueue[Item] = FairQueue()
    for caller, name in [(many, "m1"), (many, "m2"), (many, "m3"), (few, "f1"), (first, "p1"), (few, "f2")]:
        queue.put(Item(caller, name))
    assert drained(queue) == ["p1", "m1", "f1", "m2", "f2", "m3"]
    assert drained(queue) == []


def test_who_left_is_passed_over_and_who_found_no_place_is_the_next_again() -> None:
    caller, other = Caller("one", Role.USER), Caller("two", Role.USER)
    queue: FairQueue[Item] = FairQueue()
    items = [Item(caller, "1"), Item(caller, "2"), Item(other, "3")]
    for item in items:
        queue.put(item)
    items[0].abandoned = True
    taken = queue.take()
    assert taken is items[1]
    queue.put_back(taken)
    assert drained(queue) == ["2", "3"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(access_module.time, "monotonic", lambda: now[0])
    return now


def access_of(**said: Any) -> Access:
    return Access([ApiKey(name="one", sha256=hashlib.sha256(b"sk").hexdigest(), **said)], needs_key=True)


def test_a_key_has_so_many_requests_a_minute_and_they_come_back_evenly(clock: list[float]) -> None:
    caller = access_of(requests_per_minute=60).caller(b"Bearer sk")
    for _ in range(60):
        caller.take()
    with pytest.raises(RequestError, match="60 requests a minute") as refused:
        caller.take()
    assert refused.value.status == 429
    assert refused.value.retry_after_s == pytest.approx(1.0)
    clock[0] += 1.01
    caller.take()
    with pytest.raises(RequestError):
        caller.take()


def test_tokens_that_were_used_beyond_the_allowance_are_waited_for(clock: list[float]) -> None:
    caller = access_of(tokens_per_minute=600).caller(b"Bearer sk")
    caller.take()
    caller.used(900)
    with pytest.raises(RequestError, match="600 tokens a minute"):
        caller.take()
    clock[0] += 30.2
    caller.take()


def test_only_the_whole_key_is_the_key() -> None:
    keys = access_of()
    assert keys.caller(b"Bearer sk").name == "one"
    assert keys.caller(b"bearer  sk").name == "one"
    for wrong in (None, b"", b"Bearer", b"Bearer s", b"Bearer skk", b"Basic sk", b"sk", b"Bearer \xff"):
        with pytest.raises(RequestError) as refused:
            keys.caller(wrong)
        assert refused.value.status == 401


def test_a_worker_rests_longer_each_time_it_fails_and_an_answer_makes_up_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr("novacron_serving.coordinator.workers.time.monotonic", lambda: now[0])
    workers = Workers(CoordinatorConfig(lost_after_s=1e9), "token")
    workers.register(
        worker_id="w", address="127.0.0.1:1", model_id="m", engine="", model_digest="",
        max_concurrent_requests=1, max_context_tokens=1, kv_cache_capacity_tokens=0,
    )  # fmt: skip
    one = workers.all()[0]
    rests: list[float] = []
    for _ in range(8):
        one.failed(at_once=True)
        rests.append(one.resting_until_s - now[0])
        assert workers.status(one) is WorkerStatus.FAILED
        now[0] = one.resting_until_s
        assert workers.status(one) is WorkerStatus.ACTIVE
    assert rests == [0.5, 1, 2, 4, 8, 16, 30, 30]
    one.succeeded()
    for _ in range(4):
        one.failed(at_once=False)
    assert workers.status(one) is WorkerStatus.ACTIVE
    one.failed(at_once=False)
    assert one.resting_until_s - now[0] == 0.5
