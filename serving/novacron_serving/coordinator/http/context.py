"""The parts of a coordinator that serve requests on the hot path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from novacron_serving.coordinator.cache.response_cache import ResponseCache
from novacron_serving.coordinator.http.cross_site import CrossSiteGuard
from novacron_serving.coordinator.http.observers import RequestObserver
from novacron_serving.coordinator.limits.authentication import Authenticator
from novacron_serving.coordinator.scheduling.scheduler import Scheduler


@dataclass(slots=True)
class ProxyContext:
    """The parts that all requests of a coordinator share."""

    scheduler: Scheduler
    authenticator: Authenticator
    cross_site_guard: CrossSiteGuard
    observe: Callable[[], tuple[RequestObserver, ...]]
    """Returns the observers of one request; none without tracing."""
    cache: ResponseCache | None = None
    incomplete_bytes: int = 0
    """Size of the bodies that have not arrived completely, over all connections."""

    def allows_origin(self, origin: bytes) -> bool:
        """Return whether pages of this origin may read responses."""
        allowed = self.scheduler.config.cors_origins
        return bool(allowed) and ("*" in allowed or origin.decode("latin-1") in allowed)
