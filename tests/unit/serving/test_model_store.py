"""Model store: publishing, verified and resumable downloads, and invalid stores."""

from __future__ import annotations

import errno
import json
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from novacron_serving.errors import StartError
from novacron_serving.models import (
    LoaderConfig,
    StoreError,
    StoreFolder,
    download,
    open_folder,
    publish,
    read_manifest,
    transfer,
    verify,
)

QUICK = LoaderConfig(retries=1)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "FIRST_PAUSE_S", 0.01)
    for module in ("downloading", "publishing"):
        monkeypatch.setattr(f"novacron_serving.models.{module}.CHUNK_BYTES", 2**10)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "deep" / "weights.bin").write_bytes(bytes(range(256)) * 40)
    (folder / "empty").touch()
    return folder


@pytest.fixture
def published(tmp_path: Path, model: Path) -> StoreFolder:
    folder = open_folder(f"file://{tmp_path}/store/m")
    publish(model, folder, model_id="m", quantization="FP8")
    return folder


class Breaking:
    """A file system whose reads fail, sometimes or always."""

    def __init__(self, files: Any, fails: Callable[[int], Exception | None]) -> None:
        self._files = files
        self._fails = fails
        self.read = 0
        self._lock = threading.Lock()

    def info(self, path: str) -> Any:
        return self._files.info(path)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> Any:
        if path.endswith("manifest.json"):
            return self._files.cat_file(path)
        with self._lock:
            self.read += 1
            if error := self._fails(self.read):
                raise error
        return self._files.cat_file(path, start=start, end=end)


def breaking(folder: StoreFolder, fails: Callable[[int], Exception | None]) -> tuple[StoreFolder, Breaking]:
    files = Breaking(folder.files, fails)
    return StoreFolder(url=folder.url, root=folder.root, files=files), files


def same(folder: Path, model: Path) -> bool:
    return all((folder / path.relative_to(model)).read_bytes() == path.read_bytes()
               for path in model.rglob("*") if path.is_file())  # fmt: skip


def nothing_usable(cache: Path) -> bool:
    return not [path for path in cache.iterdir() if path.is_dir() and path.suffix != ".partial"]


def test_a_published_model_is_downloaded_once(tmp_path: Path, model: Path, published: StoreFolder) -> None:
    verify(published)
    folder, manifest = download(published, tmp_path / "cache")
    assert same(folder, model)
    assert (manifest.model_id, manifest.quantization) == ("m", "FP8")
    assert manifest.digest == folder.name
    never, files = breaking(published, lambda _: OSError("the store was read"))
    assert download(never, tmp_path / "cache") == (folder, manifest)
    assert files.read == 0


def test_concurrent_downloads_of_a_model_read_each_chunk_once(
    tmp_path: Path, model: Path, published: StoreFolder
) -> None:
    counted, files = breaking(published, lambda _: None)

    def fetch(_: int) -> Path:
        return download(counted, tmp_path / "cache")[0]

    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(fetch, range(4)))
    assert len(set(folders)) == 1
    assert same(folders[0], model)
    assert files.read == 11, "each chunk once"


def test_a_temporary_error_is_retried(tmp_path: Path, model: Path, published: StoreFolder) -> None:
    once, files = breaking(published, lambda read: ConnectionError("reset") if read == 5 else None)
    assert same(download(once, tmp_path / "cache", QUICK)[0], model)
    assert files.read == 12, "complete chunks were not read again"


def test_an_interrupted_download_is_resumed(tmp_path: Path, model: Path, published: StoreFolder) -> None:
    broken, _ = breaking(published, lambda read: ConnectionError("reset") if read > 6 else None)
    with pytest.raises(StoreError, match=r"reset \(after 2 attempts\)"):
        download(broken, tmp_path / "cache", QUICK)
    assert nothing_usable(tmp_path / "cache")
    counted, files = breaking(published, lambda _: None)
    assert same(download(counted, tmp_path / "cache")[0], model)
    assert files.read <= 6


def test_a_full_disk_is_reported_and_the_next_attempt_completes_the_download(
    tmp_path: Path, model: Path, published: StoreFolder
) -> None:
    full, _ = breaking(published, lambda read: OSError(errno.ENOSPC, "No space left on device") if read > 3 else None)
    with pytest.raises(StoreError, match="the disk is full"):
        download(full, tmp_path / "cache")
    assert nothing_usable(tmp_path / "cache")
    assert same(download(published, tmp_path / "cache")[0], model)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("deep/weights.bin", b"short", "has 5 bytes, but its manifest says 10240"),
        ("deep/weights.bin", b"x" * 10240, "has the SHA-256 .* its manifest says"),
        ("deep/weights.bin", None, "deep/weights.bin is missing"),
        ("manifest.json", None, r"has no manifest\.json"),
        ("manifest.json", b"[]", "is not a valid manifest"),
    ],
)
def test_a_corrupt_model_is_reported_and_never_used(
    tmp_path: Path, model: Path, published: StoreFolder, file: str, content: bytes | None, message: str
) -> None:
    stored = Path(published.at(file))
    whole = stored.read_bytes()
    stored.write_bytes(content) if content is not None else stored.unlink()
    for read in (lambda: verify(published), lambda: download(published, tmp_path / "cache", QUICK)):
        with pytest.raises(StoreError, match=message):
            read()
    assert not (tmp_path / "cache").exists() or nothing_usable(tmp_path / "cache")
    stored.write_bytes(whole)
    assert same(download(published, tmp_path / "cache")[0], model)


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "a\\b", "manifest.json"])
def test_a_manifest_cannot_name_files_outside_the_folder(published: StoreFolder, path: str) -> None:
    manifest = json.loads(published.read("manifest.json"))
    manifest["files"][0]["path"] = path
    Path(published.at("manifest.json")).write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="is not a valid manifest"):
        read_manifest(published)


def test_a_download_has_a_time_limit(tmp_path: Path, published: StoreFolder) -> None:
    with pytest.raises(StoreError, match="was not downloaded within the time limit"):
        download(published, tmp_path / "cache", LoaderConfig(timeout_s=1e-9))


def test_a_model_with_another_digest_than_requested_is_rejected(tmp_path: Path, published: StoreFolder) -> None:
    with pytest.raises(StoreError, match=r"but 0{64} was requested"):
        download(published, tmp_path / "cache", digest="0" * 64)


def test_a_published_model_cannot_be_overwritten(model: Path, published: StoreFolder) -> None:
    publish(model, published, model_id="m", quantization="FP8")
    (model / "config.json").write_text("[]")
    with pytest.raises(StoreError, match="use another prefix"):
        publish(model, published, model_id="m", quantization="FP8")
    verify(published)


def test_the_longest_matching_mount_of_a_url_is_used(tmp_path: Path, model: Path) -> None:
    mounts = {"efs://fs-1": tmp_path / "efs", "nfs://files/export": tmp_path / "nfs"}
    for url in ("efs://fs-1/models/m", "nfs://files/export/m"):
        publish(model, open_folder(url, mounts), model_id="m")
    assert (tmp_path / "efs/models/m/manifest.json").exists()
    assert (tmp_path / "nfs/m/manifest.json").exists()
    with pytest.raises(StartError, match="store_mounts"):
        open_folder("efs://fs-11/models", mounts)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/x", "must start with s3://"),
        ("models/tiny", "must start with s3://"),
        ("az://models/x", "names no account"),
    ],
)
def test_an_invalid_store_url_is_rejected(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        open_folder(url)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.fsspec", None)
    with pytest.raises(StoreError, match=r"novacron-serving\[stores\]"):
        open_folder("gs://bucket/m")
