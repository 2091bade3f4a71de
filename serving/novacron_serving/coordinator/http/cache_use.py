"""How one request uses the response cache."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from novacron_serving.coordinator.cache.response_cache import ResponseCache
from novacron_serving.coordinator.http.bounds import CACHE_TIMEOUT_S
from novacron_serving.coordinator.http.context import ProxyContext
from novacron_serving.coordinator.http.recorder import ResponseRecorder
from novacron_serving.coordinator.http.request_head import RequestHead
from novacron_serving.coordinator.http.response_head import ResponseHead
from novacron_serving.coordinator.limits.authentication import Principal


class CacheUse:
    """The place of one response in the cache."""

    __slots__ = ("_cache", "_key")

    def __init__(self, cache: ResponseCache, key: bytes) -> None:
        self._cache = cache
        self._key = key

    @property
    def has_more_levels(self) -> bool:
        """Whether `look_up` may find what memory does not have."""
        return self._cache.has_more_levels

    def get_from_memory(self) -> bytes | None:
        """Return the response that this coordinator has in memory, or None."""
        return self._cache.get_from_memory(self._key)

    async def look_up(self) -> bytes | None:
        """Return the response that Redis or the disk has, or None: also when they take too long."""
        try:
            return await asyncio.wait_for(self._cache.get_from_levels(self._key), CACHE_TIMEOUT_S)
        except asyncio.TimeoutError:
            return None

    def record(self, head: ResponseHead) -> ResponseRecorder:
        """Return a recorder for a worker's response with status 200."""
        return ResponseRecorder(head, max_bytes=self._cache.max_response_bytes)

    def store(self, recorder: ResponseRecorder) -> None:
        """Store a response that has ended, if it may be cached."""
        response = recorder.finish()
        if response is not None:
            self._cache.put(self._key, response)


def use_cache(
    context: ProxyContext, principal: Principal, head: RequestHead, content: Mapping[str, Any]
) -> CacheUse | None:
    """Return the place of a request's response in the cache; None: the response is not cacheable.

    Raises:
        RequestError: 400, the request is nested too deeply.
    """
    cache, model = context.cache, content.get("model")
    if cache is None or not isinstance(model, str):
        return None
    key = cache.key(principal, context.scheduler.model_identity(model), head.path, content)
    return None if key is None else CacheUse(cache, key)
