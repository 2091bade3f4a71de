"""Routing policies: which worker a request goes to."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from novacron_serving.coordinator.scheduling.routing import (
    BLOCK_BYTES,
    BLOCK_TOKENS,
    MEAN_LOAD_FACTOR,
    LeastLoaded,
    PrefixAffine,
    RoundRobin,
    prefix_blocks,
)
from novacron_serving.errors import RequestError

from .cluster import make_worker

INTEGERS = st.integers(-(2**63), 2**64 - 1)
"""JSON integers as orjson parses them."""
SYSTEM = {"role": "system", "content": "You are helpful. " * 60}


def prefix(*contents: str) -> tuple[int, ...]:
    roles = itertools.cycle(("user", "assistant"))
    return prefix_blocks({"messages": [SYSTEM, *({"role": next(roles), "content": text} for text in contents)]}, None)


def test_prefix_blocks_of_a_longer_conversation_start_with_those_of_the_shorter_one() -> None:
    short, long = prefix("Hello " * 200), prefix("Hello " * 200, "Yes " * 300, "And " * 100)
    whole = len(short) - 1  # the last one is not full
    assert whole > 2
    assert long[:whole] == short[:whole]


@given(st.lists(st.text(max_size=2 * BLOCK_BYTES), max_size=4))
def test_prefix_blocks_are_deterministic_and_depend_on_everything_before(contents: list[str]) -> None:
    assert prefix(*contents) == prefix(*contents)
    other = prefix_blocks({"messages": [{"role": "system", "content": "X" * BLOCK_BYTES}, SYSTEM]}, None)
    assert not set(other) & set(prefix(*contents))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "messages": st.recursive(
                st.none() | INTEGERS | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
            ),
            "prompt": st.none() | st.text() | st.lists(INTEGERS),
            "tools": st.none() | INTEGERS | st.lists(st.text()),
        },
    )
)
def test_any_json_request_has_prefix_blocks(request: dict[str, Any]) -> None:
    assert isinstance(prefix_blocks(request, None), tuple)


def test_prefix_affine_keeps_a_conversation_at_its_worker_and_spreads_new_ones() -> None:
    workers, router = [make_worker(at) for at in range(4)], PrefixAffine()
    first = router.choose(workers, prefix("One " * 300))
    first.take_slot()
    assert router.choose(workers, prefix("One " * 300, "Yes. " * 100, "More")) is first
    assert router.choose(workers, ()) is not first


def test_prefix_affine_does_not_overload_a_worker_because_of_its_cache() -> None:
    workers, router = [make_worker(at) for at in range(4)], PrefixAffine()
    for _ in range(400):
        router.choose(workers, prefix("The same for all " * 100)).take_slot()
    assert max(one.in_flight for one in workers) <= MEAN_LOAD_FACTOR * 100 + 1


def test_coordinators_choose_the_same_worker_for_a_new_prefix() -> None:
    beginnings = [prefix(f"Conversation {at} " * 40)[-4:] for at in range(400)]
    chosen = [[PrefixAffine().choose([make_worker(at) for at in range(4)], one).worker_id for one in beginnings]] * 2
    assert chosen[0] == chosen[1]
    assert min(Counter(chosen[0]).values()) > 60, "each worker gets its part"


def test_router_forgets_blocks_beyond_the_capacity_of_a_cache() -> None:
    small = [make_worker(at, kv_cache_capacity_tokens=10 * BLOCK_TOKENS) for at in range(3)]
    router = PrefixAffine()
    for at in range(50):
        router.choose(small, prefix(f"{at} " * 1000))
    assert all(router.blocks_of(one) <= 10 for one in small)
    assert router.block_count <= 30


def test_router_forgets_the_blocks_of_a_removed_worker() -> None:
    workers, router = [make_worker(at) for at in range(2)], PrefixAffine()
    chosen = router.choose(workers, prefix("Hello " * 300))
    router.forget_worker(chosen)
    assert router.block_count == 0


def test_round_robin_visits_every_worker_and_least_loaded_takes_the_idlest() -> None:
    workers = [make_worker(0, 3), make_worker(1, 1), make_worker(2, 2)]
    assert LeastLoaded().choose(workers, ()).worker_id == "w1"
    router = RoundRobin()
    assert {router.choose(workers, ()).worker_id for _ in range(3)} == {"w0", "w1", "w2"}


@pytest.mark.parametrize(
    "content",
    [
        {"prompt": "X"},
        {"messages": [{"role": "user", "content": "X"}]},
        {"messages": [], "tools": "X"},
    ],
    ids=["prompt", "content", "tools"],
)
@pytest.mark.parametrize("depth", [300, 1000, 100_000])
def test_deeply_nested_prompt_is_a_bad_request(content: dict[str, Any], depth: int) -> None:
    nested: Any = "deep"
    for _ in range(depth):
        nested = [nested]

    def replace(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replace(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [replace(inner) for inner in value]
        return nested if value == "X" else value

    with pytest.raises(RequestError, match="nested too deeply") as caught:
        prefix_blocks(replace(content), None)
    assert caught.value.status == 400
