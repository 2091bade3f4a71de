"""Several files at once, each tried again when the network or the store fails."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from novacron_serving.models.folders import StoreError, one_line

Item = TypeVar("Item")
CHUNK_BYTES = 16 * 2**20
"""Asked for at once; what is read again after a failure is less than that."""
FIRST_PAUSE_S = 0.5
"""Before the second attempt; it doubles."""


class SpoiledError(Exception):
    """What came is not what the manifest says; another attempt may bring it."""


def for_each(items: Iterable[Item], work: Callable[[Item], None], *, parallel: int) -> None:
    """Work on all of them. The first that fails ends it: what has not begun is left."""
    with ThreadPoolExecutor(parallel, thread_name_prefix="model-store") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def persist(what: str, work: Callable[[], None], *, retries: int, until_s: float) -> None:
    """Do it, and again after a failure that may pass.

    Args:
        what: for the message.
        work: raises `StoreError` for what does not pass.
        retries: attempts after the first.
        until_s: monotonic time after which there is none.
    """
    pause_s = FIRST_PAUSE_S
    for attempt in range(retries + 1):
        try:
            return work()
        except StoreError:
            raise
        except FileNotFoundError as error:
            raise StoreError(f"{what}: the file is not there") from error
        except Exception as error:  # each cloud's library has its own
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreError(f"{what}: the disk is full; make room and try again, it goes on from there") from error
            if attempt == retries or time.monotonic() + pause_s > until_s:
                raise StoreError(f"{what}: {one_line(error)} (after {attempt + 1} attempts)") from error
            time.sleep(pause_s)
            pause_s *= 2
    return None
