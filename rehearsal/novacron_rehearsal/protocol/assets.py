"""Content hashes of assets and archives, as Pulumi computes them. They show whether a file has changed."""

from __future__ import annotations

import hashlib
import tarfile
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path

from novacron_rehearsal.errors import NotSupportedError, RehearsalError
from novacron_rehearsal.values import Archive, Asset

ARCHIVE_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".zip", ".jar")

base_folder: ContextVar[Path] = ContextVar("base_folder", default=Path())
"""The folder of the program that a run executes: relative paths of assets start here."""


def with_hash(value: Asset | Archive) -> Asset | Archive:
    """Return the asset or archive with its hash.

    Raises:
        RehearsalError: when its file cannot be read.
        NotSupportedError: for content at a URI other than `file://`.
    """
    if value.hash:
        return value
    if isinstance(value, Asset):
        return replace(value, hash=hashlib.sha256(_asset_bytes(value)).hexdigest())
    return replace(value, hash=_archive_hash(value))


def _asset_bytes(asset: Asset) -> bytes:
    if asset.text is not None:
        return asset.text.encode()
    return _read(_local_path(asset))


def _local_path(value: Asset | Archive) -> Path:
    if value.path is not None:
        return base_folder.get() / value.path
    if value.uri is not None and value.uri.startswith("file://"):
        return base_folder.get() / value.uri[len("file://") :]
    raise NotSupportedError(f"an asset at {value.uri!r} (only text, paths and file:// URIs are supported)")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RehearsalError(
            f"asset {str(path)!r} cannot be read ({error.strerror}); paths are relative to the program's folder"
        ) from error


def _archive_hash(archive: Archive) -> str:
    if archive.assets is None:
        path = _local_path(archive)
        if path.is_file() and path.name.endswith(ARCHIVE_SUFFIXES):
            return hashlib.sha256(_read(path)).hexdigest()
    digest = hashlib.sha256()
    # Sorted by the parts of the paths, as Pulumi walks folders.
    for name, content in sorted(_members(archive, ""), key=lambda member: member[0].split("/")):
        digest.update(_tar_header(name, len(content)) + content + b"\0" * (-len(content) % 512))
    # Go ends a tar file with two empty blocks, without the padding that Python adds.
    digest.update(b"\0" * 1024)
    return digest.hexdigest()


def _tar_header(name: str, size_bytes: int) -> bytes:
    """Return a file's header as Go writes it: with zeros as device numbers, which Python leaves empty."""
    info = tarfile.TarInfo(name)
    info.mode = 0o600
    info.size = size_bytes
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[329:345] = b"0000000\0" * 2
    header[148:156] = b" " * 8
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header)


def _members(archive: Archive, prefix: str) -> list[tuple[str, bytes]]:
    if archive.assets is not None:
        found: list[tuple[str, bytes]] = []
        for name, item in archive.assets.items():
            if isinstance(item, Asset):
                found.append((prefix + name, _asset_bytes(item)))
            else:
                found.extend(_members(item, f"{prefix}{name}/"))
        return found
    path = _local_path(archive)
    if path.is_dir():
        names = {file.relative_to(path): file for file in path.rglob("*") if file.is_file()}
        # Pulumi skips its own folder.
        return [(prefix + name.as_posix(), _read(names[name])) for name in names if ".pulumi" not in name.parts]
    if not path.exists():
        raise RehearsalError(f"archive {str(path)!r} does not exist; paths are relative to the program's folder")
    if tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            return [
                (prefix + member.name, content.read())
                for member in tar
                if member.isfile() and (content := tar.extractfile(member)) is not None
            ]
    raise RehearsalError(f"archive {str(path)!r} is neither a folder nor one of {', '.join(ARCHIVE_SUFFIXES)}")
