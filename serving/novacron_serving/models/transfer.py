"""Transfers several files at the same time, and retries after errors of the network or the store."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from novacron_serving.models.folders import StoreError, describe_store_error

Item = TypeVar("Item")
CHUNK_BYTES = 16 * 2**20
"""Size of a read, and so the most that is read again after an error."""
FIRST_PAUSE_S = 0.5
"""Pause before the second attempt. It doubles each time."""


class CorruptDataError(Exception):
    """Data does not match the manifest. Another attempt may succeed."""


def for_each(items: Iterable[Item], work: Callable[[Item], None], *, parallel: int) -> None:
    """Run `work` for all items. After the first error, no further items are started."""
    with ThreadPoolExecutor(parallel, thread_name_prefix="model-store") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def retry(what: str, work: Callable[[], None], *, retries: int, until_s: float) -> None:
    """Run `work`, and retry after errors that may be temporary.

    Args:
        what: start of the error message.
        work: raises `StoreError` for permanent errors.
        retries: number of attempts after the first.
        until_s: monotonic time after which there are no further attempts.
    """
    pause_s = FIRST_PAUSE_S
    for attempt in range(retries + 1):
        try:
            return work()
        except StoreError:
            raise
        except FileNotFoundError as error:
            raise StoreError(f"{what}: the file does not exist") from error
        except Exception as error:  # each cloud's library has its own errors
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreError(
                    f"{what}: the disk is full; free some space and try again: the next attempt continues where this "
                    "one stopped"
                ) from error
            if attempt == retries or time.monotonic() + pause_s > until_s:
                raise StoreError(f"{what}: {describe_store_error(error)} (after {attempt + 1} attempts)") from error
            time.sleep(pause_s)
            pause_s *= 2
    return None
