"""Which worker gets a request: pure decisions over the workers' loads. Not for whether there is room at all.

Prefix-affine routing sends a prompt where its beginning was last sent, because that worker's key-value cache still
holds it, as long as that worker is not too far above the mean load. A beginning that no worker has is given a worker by
its hash: several coordinators, which do not tell each other what they sent where, agree on it.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from novacron_serving.coordinator.workers import Worker

BLOCK_BYTES = 256
"""Of a prompt; about 64 tokens of English, two blocks of TensorRT-LLM's cache."""
LONGEST_PREFIX_BYTES = 2**19
"""What follows does not decide."""
BLOCK_TOKENS = 64
MEAN_LOAD_FACTOR = 1.25
"""A worker above so many times the mean load gets no request for the sake of its cache."""
SLACK = 0.25
"""Of a worker's places: while it has fewer requests than that, nobody waits there for want of balance."""
_MIX, _64_BITS = 0x9E3779B97F4A7C15, 2**64 - 1


class RoutingPolicy(str, Enum):
    """How a worker is chosen."""

    ROUND_ROBIN = "round_robin"
    LEAST_LOADED = "least_loaded"
    PREFIX_AFFINE = "prefix_affine"


class Router(Protocol):
    """A policy with its memory."""

    def choose(self, workers: Sequence[Worker], prefix: Sequence[int]) -> Worker:
        """One of `workers`, of which there is at least one and all have room."""
        ...

    def gone(self, worker: Worker) -> None:
        """It has lost what it had in its cache."""
        ...


class RoundRobin:
    """One after the other."""

    def __init__(self) -> None:
        self._next = 0

    def choose(self, workers: Sequence[Worker], prefix: Sequence[int]) -> Worker:
        """The next."""
        del prefix
        self._next += 1
        return workers[self._next % len(workers)]

    def gone(self, worker: Worker) -> None:
        """Nothing is remembered of it."""


class LeastLoaded:
    """The one with the fewest requests; among equals the one that served least."""

    def choose(self, workers: Sequence[Worker], prefix: Sequence[int]) -> Worker:
        """The least loaded."""
        del prefix
        return min(workers, key=_load)

    def gone(self, worker: Worker) -> None:
        """Nothing is remembered of it."""


class PrefixAffine:
    """Where the longest beginning of the prompt was sent before, unless that one has too much to do.

    `_holders` has for each block a set of workers as the bits of their slots, so that a prompt is looked up in as many
    steps as it has blocks, however many workers there are. What is used least leaves first.
    """

    def __init__(self) -> None:
        self._holders: dict[int, int] = {}
        self._blocks: dict[int, OrderedDict[int, None]] = {}
        """By slot, in the order of their last use."""

    def choose(self, workers: Sequence[Worker], prefix: Sequence[int]) -> Worker:
        """The best by cache among those that are not too far above the mean load."""
        if len(workers) == 1:
            chosen = workers[0]
        else:
            mean = (sum([worker.load for worker in workers]) + 1) / len(workers)
            limit = max(MEAN_LOAD_FACTOR * mean, SLACK * workers[0].max_concurrent_requests)
            chosen = self._best([worker for worker in workers if worker.load < limit], prefix)
        self._sent(chosen, prefix)
        return chosen

    def _best(self, workers: Sequence[Worker], prefix: Sequence[int]) -> Worker:
        if not prefix:
            return min(workers, key=_load)
        eligible = 0
        for worker in workers:
            eligible |= 1 << worker.slot
        held = 0
        for block in prefix:
            deeper = self._holders.get(block, 0) & eligible
            if not deeper:
                break
            held = eligible = deeper
        if not held:
            return max(workers, key=lambda worker: (worker.seed ^ prefix[0]) * _MIX & _64_BITS)
        return min((worker for worker in workers if held >> worker.slot & 1), key=_load)

    def _sent(self, worker: Worker, prefix: Sequence[int]) -> None:
        blocks = self._blocks.setdefault(worker.slot, OrderedDict())
        bit = 1 << worker.slot
        most = worker.kv_cache_capacity_tokens // BLOCK_TOKENS
        # The end of a prompt is of less use than its beginning: it leaves first.
        for block in reversed(prefix):
            if block in blocks:
                blocks.move_to_end(block)
            else:
                blocks[block] = None
                self._holders[block] = self._holders.get(block, 0) | bit
        while len(blocks) > most:
            self._forget(blocks.popitem(last=False)[0], bit)

    def _forget(self, block: int, bit: int) -> None:
        left = self._holders.get(block, 0) & ~bit
        if left:
            self._holders[block] = left
        else:
            self._holders.pop(block, None)

    def gone(self, worker: Worker) -> None:
        """It has lost what it had in its cache."""
        for block in self._blocks.pop(worker.slot, ()):
            self._forget(block, 1 << worker.slot)


def router(policy: RoutingPolicy) -> Router:
    """A policy, with an empty memory."""
    makers = {
        RoutingPolicy.ROUND_ROBIN: RoundRobin,
        RoutingPolicy.LEAST_LOADED: LeastLoaded,
        RoutingPolicy.PREFIX_AFFINE: PrefixAffine,
    }
    return makers[policy]()


def blocks_of(request: Mapping[str, Any], session: bytes | None) -> tuple[int, ...]:
    """What of a request decides about cache hits: a chained hash for each block of its beginning.

    A session, when the client names one, counts as the only block: all its requests go to one worker. Hashes are the
    same in every process.
    """
    if session is not None:
        return (zlib.crc32(session),)
    text = prompt_text(request)
    if len(text) <= BLOCK_BYTES:
        return (zlib.crc32(text),) if text else ()
    hashes: list[int] = []
    # 64 bits: two chained sums of 32. A collision costs a cache miss, no more.
    low = high = 0
    for at in range(0, min(len(text), LONGEST_PREFIX_BYTES), BLOCK_BYTES):
        block = text[at : at + BLOCK_BYTES]
        low = zlib.crc32(block, low)
        high = zlib.adler32(block, high)
        hashes.append(high << 32 | low)
    return tuple(hashes)


def prompt_text(request: Mapping[str, Any]) -> bytes:
    """The prompt as bytes, in the order in which the model reads it. Whatever is malformed counts as nothing."""
    messages = request.get("messages")
    if not isinstance(messages, list):
        prompt = request.get("prompt")
        return (prompt if isinstance(prompt, str) else repr(prompt)).encode("utf-8", "replace")
    parts: list[str] = []
    tools = request.get("tools")
    if tools:
        parts.append(repr(tools))
    for message in cast("list[Any]", messages):
        if isinstance(message, dict):
            content = cast("dict[str, Any]", message).get("content")
            parts.append(content if isinstance(content, str) else repr(content))
    return "\x1e".join(parts).encode("utf-8", "replace")


def _load(worker: Worker) -> tuple[int, int]:
    return worker.load, worker.served_requests
