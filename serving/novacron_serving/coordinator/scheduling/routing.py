"""Routing policies: pure decisions over the load and the KV caches of workers that have a free slot.

Prefix-affine routing sends a prompt to the worker with the longest cached prefix, unless that worker is too far above
the mean load. A prompt that no worker has a prefix of is assigned by its hash, so that coordinators agree on a worker
without exchanging what they have sent where.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import orjson

from novacron_serving.coordinator.config import RoutingPolicy
from novacron_serving.coordinator.workers.workers import Worker
from novacron_serving.errors import too_deeply_nested

BLOCK_BYTES = 256
"""Size of a prompt's block: about 64 tokens of English, two blocks of TensorRT-LLM's cache."""
MAX_PREFIX_BYTES = 2**19
"""The part of a prompt that routing looks at."""
BLOCK_TOKENS = 64
MEAN_LOAD_FACTOR = 1.25
"""A worker above this multiple of the mean load gets no request because of its cache."""
SLACK = 0.25
"""Share of a worker's slots up to which the mean load is ignored: there, imbalance delays no request."""
_MIX, _64_BITS = 0x9E3779B97F4A7C15, 2**64 - 1


class Router(Protocol):
    """A policy and its state."""

    def choose(self, workers: Sequence[Worker], prefix: Sequence[int]) -> Worker:
        """Return the worker for a request.

        Args:
            workers: the workers with a free slot; at least one.
            prefix: the blocks of the prompt, see `prefix_blocks`.
        """
        ...

    def forget_worker(self, worker: Worker) -> None:
        """Forget what a worker had in its KV cache."""
        ...


class RoundRobin:
    """Routes to the workers in turn."""

    def __init__(self) -> None:
        self._next = 0

    def choose(self, workers: Sequence[Worker], prefix: Sequence[int]) -> Worker:
        """Return the next worker."""
        del prefix
        self._next += 1
        return workers[self._next % len(workers)]

    def forget_worker(self, worker: Worker) -> None:
        """Do nothing: the policy ignores caches."""


class LeastLoaded:
    """Routes to the worker with the fewest requests, and among equals to the one that has served the fewest."""

    def choose(self, workers: Sequence[Worker], prefix: Sequence[int]) -> Worker:
        """Return the least loaded worker."""
        del prefix
        return min(workers, key=_load)

    def forget_worker(self, worker: Worker) -> None:
        """Do nothing: the policy ignores caches."""


class PrefixAffine:
    """Routes to the worker with the longest cached prefix unless it is overloaded.

    `_holders` maps each block to the workers that hold it, as a bit set of their index bits. A lookup therefore takes
    one step per block of the prompt, however many workers there are. The least recently used blocks of a worker are
    forgotten first.
    """

    def __init__(self) -> None:
        self._holders: dict[int, int] = {}
        self._blocks: dict[int, OrderedDict[int, None]] = {}
        """The blocks of each worker by its index bit, in the order of their last use."""

    @property
    def block_count(self) -> int:
        """Number of blocks that some worker is believed to hold."""
        return len(self._holders)

    def blocks_of(self, worker: Worker) -> int:
        """Return how many blocks a worker is believed to hold."""
        return len(self._blocks.get(worker.index_bit, ()))

    def choose(self, workers: Sequence[Worker], prefix: Sequence[int]) -> Worker:
        """Return the worker with the longest cached prefix among those that are not overloaded."""
        if len(workers) == 1:
            chosen = workers[0]
        else:
            mean = (sum([worker.load for worker in workers]) + 1) / len(workers)
            limit = max(MEAN_LOAD_FACTOR * mean, SLACK * workers[0].max_concurrent_requests)
            chosen = self._best([worker for worker in workers if worker.load < limit], prefix)
        self._remember(chosen, prefix)
        return chosen

    def _best(self, workers: Sequence[Worker], prefix: Sequence[int]) -> Worker:
        if not prefix:
            return min(workers, key=_load)
        eligible = 0
        for worker in workers:
            eligible |= 1 << worker.index_bit
        held = 0
        for block in prefix:
            deeper = self._holders.get(block, 0) & eligible
            if not deeper:
                break
            held = eligible = deeper
        if not held:
            return max(workers, key=lambda worker: (worker.seed ^ prefix[0]) * _MIX & _64_BITS)
        return min((worker for worker in workers if held >> worker.index_bit & 1), key=_load)

    def _remember(self, worker: Worker, prefix: Sequence[int]) -> None:
        blocks = self._blocks.setdefault(worker.index_bit, OrderedDict())
        bit = 1 << worker.index_bit
        capacity = worker.kv_cache_capacity_tokens // BLOCK_TOKENS
        # The end of a prompt is reused less often than its beginning, so it is forgotten first.
        for block in reversed(prefix):
            if block in blocks:
                blocks.move_to_end(block)
            else:
                blocks[block] = None
                self._holders[block] = self._holders.get(block, 0) | bit
        while len(blocks) > capacity:
            self._forget(blocks.popitem(last=False)[0], bit)

    def _forget(self, block: int, bit: int) -> None:
        left = self._holders.get(block, 0) & ~bit
        if left:
            self._holders[block] = left
        else:
            self._holders.pop(block, None)

    def forget_worker(self, worker: Worker) -> None:
        """Forget what a worker had in its KV cache."""
        for block in self._blocks.pop(worker.index_bit, ()):
            self._forget(block, 1 << worker.index_bit)


def choose_router(policy: RoutingPolicy) -> Router:
    """Return a router for a policy, without any state yet."""
    routers = {
        RoutingPolicy.ROUND_ROBIN: RoundRobin,
        RoutingPolicy.LEAST_LOADED: LeastLoaded,
        RoutingPolicy.PREFIX_AFFINE: PrefixAffine,
    }
    return routers[policy]()


def prefix_blocks(content: Mapping[str, Any], session: bytes | None) -> tuple[int, ...]:
    """Return a chained hash for each block at the beginning of a prompt.

    Prompts with a common prefix have common hashes. The hashes are the same in every process.

    Args:
        content: the parsed body of a request.
        session: the client's session, if it names one. It is then the only block, so that all requests of a session
            go to one worker.

    Raises:
        RequestError: 400, the request is nested too deeply.
    """
    if session is not None:
        return (zlib.crc32(session),)
    text = prompt_text(content)
    if len(text) <= BLOCK_BYTES:
        return (zlib.crc32(text),) if text else ()
    hashes: list[int] = []
    # 64 bits: two chained checksums of 32. A collision costs a cache miss, nothing more.
    low = high = 0
    for start in range(0, min(len(text), MAX_PREFIX_BYTES), BLOCK_BYTES):
        block = text[start : start + BLOCK_BYTES]
        low = zlib.crc32(block, low)
        high = zlib.adler32(block, high)
        hashes.append(high << 32 | low)
    return tuple(hashes)


def prompt_text(content: Mapping[str, Any]) -> bytes:
    """Return the prompt as bytes, in the order in which the model reads it.

    Malformed requests have a prompt as well: workers validate requests.

    Raises:
        RequestError: 400, the request is nested too deeply.
    """
    messages = content.get("messages")
    if not isinstance(messages, list):
        return _as_bytes(content.get("prompt"))
    parts: list[bytes] = []
    tools = content.get("tools")
    if tools:
        parts.append(_as_bytes(tools))
    parts += [
        _as_bytes(cast("dict[str, Any]", message).get("content"))
        for message in cast("list[Any]", messages)
        if isinstance(message, dict)
    ]
    return b"\x1e".join(parts)


def _as_bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise too_deeply_nested() from error


def _load(worker: Worker) -> tuple[int, int]:
    return worker.load, worker.served_requests
