"""Detects an engine that hangs, or whose executor has died."""

from __future__ import annotations

from novacron_serving.clock import SYSTEM_CLOCK, Clock


class Heartbeat:
    """Counts running choices, and remembers when the engine last produced output.

    A new request does not count as output: an engine that hangs still accepts requests (NVIDIA/TensorRT-LLM #4441,
    #9680).
    """

    def __init__(self, timeout_s: float, clock: Clock = SYSTEM_CLOCK) -> None:
        """Start idle.

        Args:
            timeout_s: without output for longer, a running engine counts as hung.
            clock: for tests.
        """
        self.running = 0
        self.death: str | None = None
        """Why the engine has died. It does not recover: the other ranks stay blocked when one has died (#18663)."""
        self._timeout_s = timeout_s
        self._clock = clock
        self._last = clock.monotonic()

    def begin(self) -> None:
        """Count a choice that starts."""
        if self.running == 0:
            self._last = self._clock.monotonic()
        self.running += 1

    def end(self) -> None:
        """Count a choice that has ended."""
        self.running -= 1

    def beat(self) -> None:
        """Record output."""
        self._last = self._clock.monotonic()

    @property
    def hangs(self) -> bool:
        """Whether the engine has produced no output for too long. It recovers with the next output."""
        return self.running > 0 and self._clock.monotonic() - self._last > self._timeout_s


def executor_died(llm: object) -> bool:
    """Return whether the library's executor has died."""
    check = getattr(llm, "_check_health", None)  # since 1.3; it detects a dead rank while nothing runs
    if callable(check):
        return not check()
    executor = getattr(llm, "_executor", None)
    if executor is None or executor.is_shutdown():
        return True
    errors = getattr(executor, "_error_queue", None)  # has a dead rank's error until the next request
    return errors is not None and not errors.empty()
