"""Folders of a model store, by URL. The libraries of clouds are optional, and imported when needed."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import fsspec
from fsspec.spec import AbstractFileSystem

from novacron_serving.errors import StartError

_MOUNTED = ("efs", "nfs")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_CLOUDS = ("s3", "gs", "az")


class StoreError(StartError):
    """A model cannot be read from its store or published there. The message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFolder:
    """A folder of a store. All methods block."""

    url: str
    root: str
    files: AbstractFileSystem
    """fsspec's file system, which has no types."""

    def at(self, path: str) -> str:
        """Return the path of a file for the file system."""
        return f"{self.root}/{path}"

    def size_bytes(self, path: str) -> int | None:
        """Return a file's size, or None if it does not exist."""
        try:
            return int(self.files.info(self.at(path))["size"])
        except FileNotFoundError:
            return None

    def read(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Return a file's content, or its bytes from `start` up to `end`."""
        return cast("bytes", self.files.cat_file(self.at(path), start=start, end=end))


def open_folder(url: str, mounts: Mapping[str, Path] | None = None) -> StoreFolder:
    """Open the folder of a URL.

    Kinds: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container@account.blob.core.windows.net/prefix`,
    `file:///folder`, `efs://id/prefix`, `nfs://server/export/prefix`.

    Args:
        url: the folder's URL.
        mounts: mount points of file systems, by URL prefix (`efs://` or `nfs://`).

    Raises:
        StoreError: the URL is of another kind, it has no mount point, or a library is missing.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _local(url, Path(unquote(parts.path)))
    if parts.scheme in _MOUNTED:
        return _local(url, _mounted(url, mounts or {}))
    if parts.scheme not in _CLOUDS or not parts.netloc:
        raise StoreError(
            f"store URL {url!r} must start with s3://, gs://, az://, efs://, nfs:// or file://, as in s3://bucket/prefix"
        )
    options: dict[str, str] = {}
    root = f"{parts.netloc}{parts.path}".rstrip("/")
    if parts.scheme == "az":
        container, at, host = parts.netloc.partition("@")
        if not at:
            raise StoreError(
                f"store URL {url!r} names no account; use az://container@account.blob.core.windows.net/prefix"
            )
        options = {"account_name": host.partition(".")[0]}
        root = f"{container}{parts.path}".rstrip("/")
    try:
        store: Any = importlib.import_module("obstore.fsspec").FsspecStore
        # `retry` tries again and continues where it stopped. The library would start again.
        files: AbstractFileSystem = store(
            parts.scheme, config=options, retry_config={"max_retries": 0}, skip_instance_cache=True
        )
    except ImportError as error:
        raise StoreError(f"store URL {url!r} needs a library; pip install 'novacron-serving[stores]'") from error
    except Exception as error:
        raise StoreError(f"store {url!r} cannot be opened: {describe_store_error(error)}") from error
    return StoreFolder(url=url, root=root, files=files)


def describe_store_error(error: BaseException) -> str:
    """Return an error of a store's library as one short line."""
    text = str(error).split("Debug source:")[0]
    code = _CODE.search(text)  # the store's own error code, in XML
    prefix = f"{code[1]}: " if code else ""
    return prefix + " ".join(text.split("<?xml")[0].split())[:300] or type(error).__name__


def _local(url: str, folder: Path) -> StoreFolder:
    files: AbstractFileSystem = fsspec.filesystem("file", auto_mkdir=True, skip_instance_cache=True)
    return StoreFolder(url=url, root=str(folder).rstrip("/"), files=files)


def _mounted(url: str, mounts: Mapping[str, Path]) -> Path:
    for prefix in sorted(mounts, key=len, reverse=True):
        rest = url[len(prefix.rstrip("/")) :]
        if url.startswith(prefix.rstrip("/")) and rest[:1] in ("", "/"):
            return mounts[prefix] / unquote(rest.strip("/"))
    raise StoreError(f"store URL {url!r} has no mount point; add its prefix to store_mounts")
