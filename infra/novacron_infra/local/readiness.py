"""Waiting until the processes answer as one stack: each may be ready by itself before they know of each other."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Sequence

from novacron_infra.errors import LocalProcessError

POLL_S = 0.1
ANSWER_S = 5.0


def not_ready(urls: Sequence[str]) -> str | None:
    """The first address that does not say that it is ready, with its answer; `None` when all do."""
    for url in urls:
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_S):  # noqa: S310 - a loopback address of our own
                pass
        except urllib.error.HTTPError as error:
            with error:
                return f"{url} answers {error.code}: {error.read(500).decode(errors='replace')}"
        except OSError as error:
            return f"{url} does not answer: {getattr(error, 'reason', error)}"
    return None


def await_ready(urls: Sequence[str], timeout_s: float, logs: str) -> None:
    """Wait until all say that they are ready.

    Raises:
        LocalProcessError: when one does not within the time.
    """
    deadline = time.monotonic() + timeout_s
    while problem := not_ready(urls):
        if time.monotonic() > deadline:
            raise LocalProcessError(
                f"the processes run, but the stack was not ready within {timeout_s:g} s: {problem}; the logs in {logs} "
                "may tell why. Raise workers.start_timeout_s if it needs longer"
            )
        time.sleep(POLL_S)
