"""Prefix cache hit rate and load balance of each routing policy: `make bench-routing`.

Workers are simulated: each has a prefix cache of `CACHE_BLOCKS` blocks with least-recently-used eviction, and serves
several requests at the same time. A request takes the time of its uncached prompt and its response. The routing code
is the coordinator's. The oracle knows the real content of each cache and limits the load in the same way. One cache of
the size of all caches together is an upper bound that no policy reaches.

`python -m tests.bench.routing [--trace FILE]` reads a trace in Mooncake's format: one JSON object per line with
`timestamp` in ms, `hash_ids` of blocks of 512 tokens, `input_length` and `output_length`. Without a trace, it
generates conversations.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import random
import statistics
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from novacron_serving.coordinator.config import RoutingPolicy
from novacron_serving.coordinator.scheduling.routing import (
    BLOCK_BYTES,
    BLOCK_TOKENS,
    MEAN_LOAD_FACTOR,
    SLACK,
    choose_router,
    prefix_blocks,
)
from novacron_serving.coordinator.workers.upstream import Upstream
from novacron_serving.coordinator.workers.workers import Worker

WORKERS = 8
SLOTS = 32
CACHE_BLOCKS = 12_000
"""Blocks of 64 tokens. One FP8 replica of a 405B model on 8 H100 caches 812,821 tokens (aiconfigurator 0.12)."""
PREFILL_BLOCKS_PER_S = 200.0
DECODE_TOKENS_PER_S = 30.0


@dataclass(frozen=True)
class TraceRequest:
    at_s: float
    blocks: tuple[int, ...]
    """The whole prompt."""
    prefix: tuple[int, ...]
    """The prefix that the coordinator derives from it."""
    completion_tokens: int


@dataclass
class Simulated:
    worker: Worker
    cache: OrderedDict[int, None] = field(default_factory=OrderedDict)
    peaks: list[int] = field(default_factory=list)

    def cached(self, blocks: Sequence[int]) -> int:
        return sum(1 for _ in itertools.takewhile(self.cache.__contains__, blocks))

    def use(self, blocks: Sequence[int]) -> None:
        for block in reversed(blocks):
            self.cache[block] = None
            self.cache.move_to_end(block)
        while len(self.cache) > CACHE_BLOCKS:
            self.cache.popitem(last=False)


def conversations(count: int, seed: int = 1) -> Iterator[TraceRequest]:
    """Yield requests to a few applications with long system prompts. Each turn repeats the whole conversation."""
    chance = random.Random(seed)  # noqa: S311 - the same trace each time
    words = [f"w{at}" for at in range(5000)]

    def text(length: int) -> str:
        return " ".join(chance.choices(words, k=length))

    systems = [text(chance.randint(300, 3000)) for _ in range(12)]
    turns: list[tuple[float, list[dict[str, str]]]] = []
    begins_s = 0.0
    for _ in range(count):
        begins_s += chance.expovariate(1.6)
        system = systems[min(int(chance.paretovariate(0.9)) - 1, len(systems) - 1)]
        messages = [{"role": "system", "content": system}]
        at_s = begins_s
        for _ in range(1 + int(chance.expovariate(1 / 5))):
            messages = [*messages, {"role": "user", "content": text(chance.randint(10, 400))}]
            turns.append((at_s, messages))
            messages = [*messages, {"role": "assistant", "content": text(chance.randint(50, 400))}]
            at_s += 15 + chance.expovariate(1 / 30)
    for at_s, messages in sorted(turns, key=lambda turn: turn[0]):
        blocks = prefix_blocks({"messages": messages}, None)
        yield TraceRequest(at_s, blocks, blocks, chance.randint(50, 400))


def mooncake(path: Path) -> Iterator[TraceRequest]:
    """Yield the requests of a Mooncake trace. Each of its blocks of 512 tokens becomes eight blocks."""
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        blocks = tuple(block * 8 + part for block in entry["hash_ids"] for part in range(8))
        yield TraceRequest(entry["timestamp"] / 1000, blocks, blocks, entry["output_length"])


def one_cache(trace: Iterable[TraceRequest]) -> float:
    """Return the hit rate of one cache of the size of all caches."""
    cache: OrderedDict[int, None] = OrderedDict()
    hits = total = 0
    for request in trace:
        hits += sum(1 for _ in itertools.takewhile(cache.__contains__, request.blocks))
        total += len(request.blocks)
        for block in reversed(request.blocks):
            cache[block] = None
            cache.move_to_end(block)
        while len(cache) > WORKERS * CACHE_BLOCKS:
            cache.popitem(last=False)
    return hits / total


def replay(trace: Iterable[TraceRequest], policy: RoutingPolicy | None) -> dict[str, float]:
    """Return hit rate, the busiest worker's load over the mean, and times to first token. None: the oracle."""
    workers = [
        Simulated(
            Worker(
                worker_id=f"w{at}", address="", model_id="m", engine="simulated", max_concurrent_requests=SLOTS,
                max_context_tokens=0, upstream=Upstream("simulated:0", ""), last_seen_s=0, capacity=10**9, index_bit=at,
                kv_cache_capacity_tokens=CACHE_BLOCKS * BLOCK_TOKENS,
                seed=at * 2654435761,
            )
        )
        for at in range(WORKERS)
    ]  # fmt: skip
    by_worker = {simulated.worker: simulated for simulated in workers}
    chooser = choose_router(policy) if policy else None
    ending: list[tuple[float, int, Simulated]] = []
    ids = itertools.count()
    hits = total = 0
    work = dict.fromkeys(range(WORKERS), 0.0)
    waits: list[float] = []
    busy_until = [[0.0] * SLOTS for _ in workers]
    for request in trace:
        while ending and ending[0][0] <= request.at_s:
            heapq.heappop(ending)[2].worker.free_slot()
        if chooser is None:
            mean = (sum(one.worker.load for one in workers) + 1) / WORKERS
            limit = max(MEAN_LOAD_FACTOR * mean, SLACK * SLOTS)
            free = [one for one in workers if one.worker.load < limit]
            chosen = max(free, key=lambda one: (one.cached(request.blocks), -one.worker.load))
        else:
            chosen = by_worker[chooser.choose([one.worker for one in workers], request.prefix)]
        found = chosen.cached(request.blocks)
        chosen.use(request.blocks)
        hits += found
        total += len(request.blocks)
        took_s = (len(request.blocks) - found) / PREFILL_BLOCKS_PER_S + request.completion_tokens / DECODE_TOKENS_PER_S
        index = chosen.worker.index_bit
        slot = min(range(SLOTS), key=busy_until[index].__getitem__)
        begins_s = max(request.at_s, busy_until[index][slot])
        busy_until[index][slot] = begins_s + took_s
        waits.append(begins_s - request.at_s + (len(request.blocks) - found) / PREFILL_BLOCKS_PER_S)
        work[index] += took_s
        chosen.worker.take_slot()
        heapq.heappush(ending, (begins_s + took_s, next(ids), chosen))
    return {
        "hit_rate": hits / total,
        "busiest_over_mean": max(work.values()) / statistics.mean(work.values()),
        "first_token_p50_s": statistics.median(waits),
        "first_token_p99_s": sorted(waits)[int(0.99 * len(waits))],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--conversations", type=int, default=2500)
    arguments = parser.parse_args()
    trace = list(mooncake(arguments.trace) if arguments.trace else conversations(arguments.conversations))
    print(  # noqa: T201
        f"{len(trace)} requests over {trace[-1].at_s:,.0f} s, {WORKERS} simulated workers of {SLOTS} slots, "
        f"{CACHE_BLOCKS * BLOCK_BYTES / 2**20:.0f} MiB of prompt text cached in each"
    )
    rows: dict[str, dict[str, Any]] = {policy.value: replay(trace, policy) for policy in RoutingPolicy}
    rows["oracle"] = replay(trace, None)
    best = rows["oracle"]["hit_rate"]
    print(f"{'':16}{'hit rate':>10}{'of oracle':>11}{'busiest/mean':>14}{'first token p50, p99 (simulated)':>36}")  # noqa: T201
    for name, row in rows.items():
        print(  # noqa: T201
            f"{name:16}{row['hit_rate']:>10.1%}{row['hit_rate'] / best:>11.1%}{row['busiest_over_mean']:>14.2f}"
            f"{row['first_token_p50_s']:>27.2f} s{row['first_token_p99_s']:>6.2f} s"
        )
    print(f"{'one cache':16}{one_cache(trace):>10.1%}")  # noqa: T201


if __name__ == "__main__":
    main()
