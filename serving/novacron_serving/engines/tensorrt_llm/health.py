"""Whether an engine lives: it said so itself, and outputs come while answers are under way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class Pulse:
    """Answers under way, and when the engine last showed a sign of life.

    A new request is no such sign: an engine that hangs (NVIDIA/TensorRT-LLM #4441, #9680) still takes requests.
    """

    def __init__(self, silence_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: `silence_s`: how long no output of any answer may come."""
        self.running = 0
        self.death: str | None = None
        """Why the engine is dead. It does not come back: a dead rank's peers stay as they are (#18663)."""
        self._silence_s = silence_s
        self._clock = clock
        self._last = clock()

    def begin(self) -> None:
        """An answer is under way."""
        if self.running == 0:
            self._last = self._clock()
        self.running += 1

    def end(self) -> None:
        """It is over."""
        self.running -= 1

    def beat(self) -> None:
        """An output came."""
        self._last = self._clock()

    @property
    def hangs(self) -> bool:
        """True after too long a silence; false again when outputs come."""
        return self.running > 0 and self._clock() - self._last > self._silence_s


def executor_died(llm: Any) -> bool:
    """What the library says of itself."""
    check = getattr(llm, "_check_health", None)  # since 1.3: also sees a rank's death while nothing runs
    if callable(check):
        return not check()
    executor = getattr(llm, "_executor", None)
    if executor is None or executor.is_shutdown():
        return True
    errors = getattr(executor, "_error_queue", None)  # where a rank's end is left until the next request comes
    return errors is not None and not errors.empty()
