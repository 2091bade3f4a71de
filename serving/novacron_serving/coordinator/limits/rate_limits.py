"""Rate limits across coordinators, through Redis.

Every second, each coordinator publishes what its keys have consumed and reads what they have consumed elsewhere. A
key can exceed its limit for that second; in return, no request waits for Redis.
"""

from __future__ import annotations

from novacron_serving.coordinator.limits.authentication import Authenticator
from novacron_serving.coordinator.limits.token_bucket import TokenBucket
from novacron_serving.coordinator.redis_client import UNAVAILABLE, RedisConfig

_COUNTER_TTL_S = 600
_TIMEOUT_S = 2.0


class SharedRateLimits:
    """The counters in Redis."""

    def __init__(self, url: str, config: RedisConfig, authenticator: Authenticator) -> None:
        self._redis = config.connect(url, _TIMEOUT_S)
        # The counters of a cluster are on several nodes, which have no common transaction.
        self._transaction = not config.cluster
        self._authenticator = authenticator
        self._totals: dict[str, float] = {}
        """Usage across all coordinators when last read, by counter."""

    async def sync(self) -> None:
        """Publish local usage to Redis and read the totals.

        Raises:
            ConnectionError: Redis is unavailable. The next call publishes this usage as well.
        """
        limited: list[tuple[str, TokenBucket]] = [
            (f"novacron:used:{principal.name}:{unit}", bucket)
            for principal in self._authenticator.principals()
            for unit, bucket in (("requests", principal.request_bucket), ("tokens", principal.token_bucket))
            if bucket is not None
        ]
        if not limited:
            return
        published = [bucket.unshared for _, bucket in limited]
        pipeline = self._redis.pipeline(transaction=self._transaction)
        for (counter, _), used in zip(limited, published, strict=True):
            pipeline.incrbyfloat(counter, used)
            pipeline.expire(counter, _COUNTER_TTL_S)
        try:
            results = await pipeline.execute()
        except UNAVAILABLE as error:
            raise ConnectionError(str(error)) from error
        for (counter, bucket), used, total in zip(limited, published, results[::2], strict=True):
            before = self._totals.get(counter)
            bucket.unshared -= used
            if before is not None and total >= before:  # a lower total: the counter expired, or Redis was emptied
                bucket.consume_elsewhere(total - before - used)
            self._totals[counter] = total

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
