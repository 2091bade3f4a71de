"""Rates that hold over all coordinators: each tells Redis every second what its keys used, and hears of the others.

A key may so use more than its rate for a second, and no request ever waits for Redis.
"""

from __future__ import annotations

import redis.asyncio
from redis.exceptions import RedisError

from novacron_serving.coordinator.access import Access, Allowance

_FORGET_S = 600
_TIMEOUT_S = 2.0


class SharedRates:
    """The counters of a Redis-compatible service."""

    def __init__(self, url: str, access: Access) -> None:
        self._redis = redis.asyncio.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
        self._access = access
        self._totals: dict[str, float] = {}
        """What all used, when last heard."""

    async def exchange(self) -> None:
        """Tell and hear. Raises `ConnectionError` when Redis cannot be asked; what was used is told the next time."""
        limited: list[tuple[str, Allowance]] = [
            (f"novacron:used:{caller.name}:{what}", allowance)
            for caller in self._access.callers()
            for what, allowance in (("requests", caller.requests), ("tokens", caller.tokens))
            if allowance is not None
        ]
        if not limited:
            return
        told = [allowance.used for _, allowance in limited]
        pipeline = self._redis.pipeline(transaction=True)
        for (key, _), used in zip(limited, told, strict=True):
            pipeline.incrbyfloat(key, used)
            pipeline.expire(key, _FORGET_S)
        try:
            answers = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise ConnectionError(str(error)) from error
        for (key, allowance), used, total in zip(limited, told, answers[::2], strict=True):
            before = self._totals.get(key)
            allowance.used -= used
            if before is not None and total >= before:  # less than before: it was forgotten, or Redis was emptied
                allowance.refill()
                allowance.left -= total - before - used
            self._totals[key] = total

    async def close(self) -> None:
        """Close its connections."""
        await self._redis.aclose()
