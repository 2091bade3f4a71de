"""Folders of stores by their URL. The clouds' libraries are extras of this package, imported when asked for."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec

from novacron_serving.errors import StartError

_MOUNTED = ("efs", "nfs")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_CLOUDS = ("s3", "gs", "az")


class StoreError(StartError):
    """A model cannot be had from its store, or put there; the message is one line that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFolder:
    """A folder of a store. All calls block."""

    url: str
    root: str
    files: Any
    """fsspec's file system: it has no types."""

    def at(self, path: str) -> str:
        """Where a file of the folder is, as the file system wants it."""
        return f"{self.root}/{path}"

    def size_bytes(self, path: str) -> int | None:
        """A file's size; None: it is not there."""
        try:
            return int(self.files.info(self.at(path))["size"])
        except FileNotFoundError:
            return None

    def read(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """A file, or its bytes from `start` up to `end`."""
        return bytes(self.files.cat_file(self.at(path), start=start, end=end))


def open_folder(url: str, mounts: Mapping[str, Path] | None = None) -> StoreFolder:
    """The folder that a URL names.

    Kinds: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container@account.blob.core.windows.net/prefix`,
    `file:///folder`, `efs://id/prefix`, `nfs://server/export/prefix`.

    Args:
        url: which.
        mounts: where the file systems of `efs://` and `nfs://` URLs are mounted, by the beginning of the URL.

    Raises:
        StoreError: for a URL of none of these kinds, one that is mounted nowhere, or a library that is missing.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _local(url, Path(unquote(parts.path)))
    if parts.scheme in _MOUNTED:
        return _local(url, _mounted(url, mounts or {}))
    if parts.scheme not in _CLOUDS or not parts.netloc:
        raise StoreError(
            f"store URL {url!r} is of no kind that is known: s3, gs, az, efs, nfs or file, as s3://bucket/prefix"
        )
    options: dict[str, str] = {}
    root = f"{parts.netloc}{parts.path}".rstrip("/")
    if parts.scheme == "az":
        container, at, host = parts.netloc.partition("@")
        if not at:
            raise StoreError(f"store URL {url!r} names no account: az://container@account.blob.core.windows.net/prefix")
        options = {"account_name": host.partition(".")[0]}
        root = f"{container}{parts.path}".rstrip("/")
    try:
        store: Any = importlib.import_module("obstore.fsspec").FsspecStore
        # `persist` tries again, and goes on where it stopped: the library does not.
        files: Any = store(parts.scheme, config=options, retry_config={"max_retries": 0}, skip_instance_cache=True)
    except ImportError as error:
        raise StoreError(f"store URL {url!r} needs a library: pip install 'novacron-serving[stores]'") from error
    except Exception as error:
        raise StoreError(f"store {url!r} cannot be opened: {one_line(error)}") from error
    return StoreFolder(url=url, root=root, files=files)


def one_line(error: BaseException) -> str:
    """An error of a library, short enough for a message."""
    said = str(error).split("Debug source:")[0]
    code = _CODE.search(said)  # what the store itself says, in a document of its own
    more = f"{code[1]}: " if code else ""
    return more + " ".join(said.split("<?xml")[0].split())[:300] or type(error).__name__


def _local(url: str, folder: Path) -> StoreFolder:
    files: Any = fsspec.filesystem("file", auto_mkdir=True, skip_instance_cache=True)
    return StoreFolder(url=url, root=str(folder).rstrip("/"), files=files)


def _mounted(url: str, mounts: Mapping[str, Path]) -> Path:
    for beginning in sorted(mounts, key=len, reverse=True):
        rest = url[len(beginning.rstrip("/")) :]
        if url.startswith(beginning.rstrip("/")) and rest[:1] in ("", "/"):
            return mounts[beginning] / unquote(rest.strip("/"))
    raise StoreError(f"store URL {url!r} is mounted nowhere: name its folder in store_mounts, by the URL's beginning")
