"""The token bucket behind every rate limit."""

from __future__ import annotations

from novacron_serving.clock import Clock


class TokenBucket:
    """A bucket that refills evenly and holds at most one minute's worth."""

    __slots__ = ("_clock", "_level", "_refilled_at_s", "per_minute", "unshared")

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self.per_minute = per_minute
        self.unshared = 0.0
        """Consumed through this coordinator and not yet published to the others."""
        self._clock = clock
        self._level = float(per_minute)
        self._refilled_at_s = clock.monotonic()

    def refill(self) -> float:
        """Return the current level. It is negative while more has been consumed than was available."""
        now_s = self._clock.monotonic()
        self._level = min(self.per_minute, self._level + (now_s - self._refilled_at_s) * self.per_minute / 60)
        self._refilled_at_s = now_s
        return self._level

    def consume(self, amount: float) -> None:
        """Take an amount for a request to this coordinator, even if the bucket holds less."""
        self._level -= amount
        self.unshared += amount

    def consume_elsewhere(self, amount: float) -> None:
        """Take what other coordinators have consumed."""
        self.refill()
        self._level -= amount

    def seconds_until(self, amount: float) -> float:
        """Return how long it takes until the bucket holds this amount."""
        return max(0.0, (amount - self._level) * 60 / self.per_minute)
