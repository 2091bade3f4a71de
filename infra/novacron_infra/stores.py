"""Model stores, as far as they are one thing in every cloud: their addresses, and how long weights take from files.

Not for what clouds make: that is each cloud's `storage`.
"""

from __future__ import annotations

EFS_MIB_PER_S = 2000
"""Provisioned for each file system that is made."""
EFS_MEASURED_MIB_PER_S = 894 * 1024 / (43 * 60)
"""Two p5en loaded 894 GiB in about 43 minutes (modelplane issue 204): the clients' rate, not the file system's."""
FILESTORE_READ_MIB_PER_S_PER_TIB = 260
"""Filestore documentation, "Zonal service tier", read on 2026-11-25."""
FILESTORE_GIB = 7_936
"""The smallest instance that reads as fast as the other clouds' file systems are provisioned."""
FILESTORE_MIB_PER_S = FILESTORE_GIB / 1024 * FILESTORE_READ_MIB_PER_S_PER_TIB
AZURE_FILES_MIB_PER_S = 2000
"""Provisioned for each share that is made."""


def store_url(address: str, prefix: str) -> str:
    """Where models lie: the prefix below an address such as `s3://bucket`."""
    return f"{address.rstrip('/')}/{prefix}".rstrip("/")


def nfs_address(export: str) -> str:
    """`server:/export` as a URL."""
    server, _, path = export.partition(":")
    return f"nfs://{server}{path}"


def load_warning(what: str, weights_gb: float | None, rate_mib_per_s: float, timeout_s: int, fix: str) -> str | None:
    """What to tell someone whose replica loads its weights from there and would not be done in time."""
    if weights_gb is None:
        return None
    seconds = weights_gb * 1e9 / (rate_mib_per_s * 2**20)
    if seconds <= timeout_s:
        return None
    return (
        f"loading {weights_gb:g} GB from {what} takes about {seconds / 60:.0f} min at {rate_mib_per_s:.0f} MiB/s, and "
        f"the loader waits {timeout_s / 60:g} min: {fix}, or raise loader.timeout_s"
    )
