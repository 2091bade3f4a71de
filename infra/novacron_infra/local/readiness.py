"""Wait until the processes answer as one stack: each can be ready before the coordinator knows of all workers."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Sequence

from novacron_infra.clock import SYSTEM_CLOCK, Clock
from novacron_infra.errors import LocalProcessError

POLL_S = 0.1
ANSWER_S = 5.0
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens loopback addresses, past any proxy that the environment names."""


def find_unready(urls: Sequence[str]) -> str | None:
    """Return a description of the first address that does not return 200; None when all do."""
    for url in urls:
        try:
            with DIRECT.open(url, timeout=ANSWER_S):
                pass
        except urllib.error.HTTPError as error:
            with error:
                return f"{url} answers {error.code}: {error.read(500).decode(errors='replace')}"
        except OSError as error:
            return f"{url} does not answer: {getattr(error, 'reason', error)}"
    return None


def await_ready(urls: Sequence[str], timeout_s: float, logs: str, clock: Clock = SYSTEM_CLOCK) -> None:
    """Wait until all addresses return 200.

    Raises:
        LocalProcessError: one does not within the time.
    """
    deadline = clock.monotonic() + timeout_s
    while problem := find_unready(urls):
        if clock.monotonic() > deadline:
            raise LocalProcessError(
                f"the processes run, but the stack was not ready within {timeout_s:g} s: {problem}. Look in the logs "
                f"in {logs} for the reason; raise novacron:environment.workers.start_timeout_s if the model needs "
                "longer to load"
            )
        clock.sleep(POLL_S)
