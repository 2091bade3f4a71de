"""A record of the clusters that run on this machine, so that the next one removes what a killed one has left behind."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tools.cluster import binaries
from tools.cluster.binaries import cache_folder


@contextmanager
def lock() -> Generator[None]:
    """Let no other process start or stop a cluster meanwhile."""
    _records().mkdir(parents=True, exist_ok=True)
    with binaries.lock("running"):
        yield


def add(group: str, folder: Path) -> None:
    """Record a cluster by the name of its control group, before anything of it is made."""
    unfinished = cache_folder() / "running.new"
    unfinished.write_text(str(folder))
    unfinished.rename(_records() / group)


def read() -> dict[str, Path]:
    """Return the folder of each cluster by the name of its control group."""
    return {record.name: Path(record.read_text()) for record in _records().iterdir()}


def remove(group: str) -> None:
    """Forget a cluster. With the last one, the folders of `create_folders` are removed."""
    (_records() / group).unlink(missing_ok=True)
    if not read() and _created().exists():
        for folder in _created().read_text().splitlines():
            with suppress(OSError):
                Path(folder).rmdir()
        _created().unlink()


def create_folders(folders: Sequence[str]) -> None:
    """Create those of the folders that are missing. Each cluster mounts folders of its own over them."""
    missing = [folder for folder in folders if not Path(folder).exists()]
    with _created().open("a") as file:
        file.writelines(f"{folder}\n" for folder in missing)
    for folder in missing:
        Path(folder).mkdir(parents=True)


def _records() -> Path:
    return cache_folder() / "running"


def _created() -> Path:
    return cache_folder() / "running.created"
