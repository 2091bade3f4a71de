"""How long a replica takes to load its weights from shared storage, against what its loader waits."""

from __future__ import annotations

_BYTES_PER_GB = 1e9
_BYTES_PER_MIB = 2**20


def slow_load(
    what: str, weights_gb: float | None, rate_mib_per_s: float, timeout_s: int, use_instead: str
) -> str | None:
    """What to tell someone whose replica loads its weights from there and would not be done in time."""
    if weights_gb is None:
        return None
    seconds = weights_gb * _BYTES_PER_GB / (rate_mib_per_s * _BYTES_PER_MIB)
    if seconds <= timeout_s:
        return None
    return (
        f"loading {weights_gb:g} GB from {what} takes about {seconds / 60:.0f} min at {rate_mib_per_s:.0f} MiB/s, and "
        f"the loader waits {timeout_s / 60:g} min: use {use_instead}, or raise loader.timeout_s"
    )
