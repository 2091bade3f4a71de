"""The model store with servers of other projects: moto (S3), Azurite and fake-gcs-server, if installed.

`make check-stores` installs the two that no Python package has. Google Cloud Storage is only read, because its server
does not accept what the library writes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from azure.storage.blob import BlobServiceClient
from novacron_serving.models import LoaderConfig, StoreError, StoreFolder, download, open_folder, publish, transfer
from novacron_serving.models import verify as verify_model

from tests.polling import free_port, wait_until

from .stack import TINY

BENCH = Path(__file__).parents[2] / ".bench"
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key in Azurite's documentation. It is the same everywhere, and not a secret."""
QUICK = LoaderConfig(retries=1)


@dataclass
class Server:
    """A running server with a bucket named models."""

    url: str
    put: Callable[[str, bytes], object]
    """Change a file of the bucket without the store."""
    remove: Callable[[str], object]
    takes_writes: bool = True

    def fill(self, folder: Path, prefix: str) -> None:
        """As `publish` does, where the server takes no writes of its library."""
        local = open_folder(f"file://{folder}")
        publish(TINY, local, model_id="tiny")
        for file in folder.iterdir():
            self.put(f"{prefix}/{file.name}", file.read_bytes())


def tool(name: str) -> str:
    for folder in (BENCH / "node_modules" / ".bin", BENCH):
        if (folder / name).is_file():
            return str(folder / name)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}: `make check-stores` installs it")
    return found


def listens(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/", timeout=2, trust_env=False)
    except httpx.TransportError:
        return False
    return True


def s3(port: int, patch: pytest.MonkeyPatch) -> Server:
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in (
        credentials | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true"}
    ).items():
        patch.setenv(name, value)
    client: Any = boto3.client("s3")
    client.create_bucket(Bucket="models")
    return Server(
        "s3://models",
        lambda key, content: client.put_object(Bucket="models", Key=key, Body=content),
        lambda key: client.delete_object(Bucket="models", Key=key),
    )


def azure(port: int, patch: pytest.MonkeyPatch) -> Server:
    endpoint = f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}"
    for name, value in {"ACCOUNT_KEY": AZURITE_KEY, "ENDPOINT": endpoint, "ALLOW_HTTP": "true"}.items():
        patch.setenv(f"AZURE_{'' if name == 'ALLOW_HTTP' else 'STORAGE_'}{name}", value)
    container = BlobServiceClient(endpoint, credential=AZURITE_KEY).create_container("models")
    return Server(
        f"az://models@{AZURITE_ACCOUNT}.blob.core.windows.net",
        lambda key, content: container.upload_blob(key, content, overwrite=True),
        container.delete_blob,
    )


def google(port: int, patch: pytest.MonkeyPatch, folder: Path) -> Server:
    base = f"http://127.0.0.1:{port}"
    account = folder / "account.json"
    nobody = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    account.write_text(json.dumps({"gcs_base_url": base, "disable_oauth": True} | nobody))
    patch.setenv("GOOGLE_SERVICE_ACCOUNT", str(account))
    httpx.post(f"{base}/storage/v1/b", json={"name": "models"}, trust_env=False).raise_for_status()

    def put(key: str, content: bytes) -> None:
        url = f"{base}/upload/storage/v1/b/models/o?uploadType=media&name={key}"
        urllib.request.urlopen(urllib.request.Request(url, data=content)).read()  # noqa: S310 - a server of our own

    def remove(key: str) -> None:
        name = key.replace("/", "%2F")
        httpx.delete(f"{base}/storage/v1/b/models/o/{name}", trust_env=False).raise_for_status()

    return Server("gs://models", put, remove, takes_writes=False)


@pytest.fixture(params=["s3", "az", "gs"], scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port, kind, folder = free_port(), str(request.param), tmp_path_factory.mktemp("server")
    where = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    command = {
        "s3": lambda: [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        "az": lambda: [tool("azurite-blob"), "--silent", "--inMemoryPersistence", "--skipApiVersionCheck", *where],
        "gs": lambda: [
            tool("fake-gcs-server"), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory",
            "-public-host", f"127.0.0.1:{port}",
        ],
    }[kind]()  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with pytest.MonkeyPatch.context() as patch:
        try:
            wait_until(lambda: listens(port), f"the server of {kind} answers", 30)
            yield {"s3": s3, "az": azure}[kind](port, patch) if kind != "gs" else google(port, patch, folder)
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "FIRST_PAUSE_S", 0.01)


@pytest.fixture
def store(server: Server, tmp_path: Path) -> StoreFolder:
    """Publish the tiny model under a new prefix."""
    folder = open_folder(f"{server.url}/{tmp_path.name}/tiny")
    with pytest.raises(StoreError, match=r"has no manifest\.json"):
        download(folder, tmp_path / "cache")
    if server.takes_writes:
        publish(TINY, folder, model_id="tiny")
    else:
        server.fill(tmp_path / "local", f"{tmp_path.name}/tiny")
    return folder


def test_a_published_model_is_downloaded_unchanged(store: StoreFolder, tmp_path: Path) -> None:
    manifest = verify_model(store)
    here, found = download(store, tmp_path / "cache")
    assert found == manifest
    for file in manifest.files:
        assert (here / file.path).read_bytes() == (TINY / file.path).read_bytes()


def test_a_published_model_cannot_be_overwritten(server: Server, store: StoreFolder, tmp_path: Path) -> None:
    if not server.takes_writes:
        pytest.skip("this server takes no writes of the library")
    assert publish(TINY, store, model_id="tiny") == verify_model(store)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "weights.bin").write_bytes(b"other")
    with pytest.raises(StoreError, match="a published model never changes"):
        publish(tmp_path / "other", store, model_id="tiny")


def test_a_large_file_is_read_in_pieces_and_resumed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not server.takes_writes:
        pytest.skip("this server takes no writes of the library")
    (tmp_path / "large").mkdir()
    content = bytes(range(256)) * 160 * 1024  # 40 MiB: the library writes it in parts
    (tmp_path / "large" / "weights.bin").write_bytes(content)
    folder = open_folder(f"{server.url}/{tmp_path.name}/large")
    publish(tmp_path / "large", folder, model_id="large")
    read, asked = StoreFolder.read, list[int | None]()

    def breaks_off(self: StoreFolder, path: str, start: int | None = None, end: int | None = None) -> bytes:
        asked.append(start)
        if start and len(asked) < 5:
            raise ConnectionError("reset")
        return read(self, path, start, end)

    monkeypatch.setattr(StoreFolder, "read", breaks_off)
    with pytest.raises(StoreError, match=r"weights\.bin: reset \(after 2 attempts\)"):
        download(folder, tmp_path / "cache", QUICK)
    here, _ = download(folder, tmp_path / "cache", QUICK)
    assert (here / "weights.bin").read_bytes() == content
    assert asked.count(0) == 1, "what was there was not fetched again"


def test_a_corrupt_model_is_reported_and_never_used(server: Server, store: StoreFolder, tmp_path: Path) -> None:
    prefix = f"{tmp_path.name}/tiny"
    server.put(f"{prefix}/config.json", b"{}")
    with pytest.raises(StoreError, match=r"config\.json has 2 bytes, but its manifest says"):
        download(store, tmp_path / "cache", QUICK)
    server.put(f"{prefix}/config.json", b"x" * (TINY / "config.json").stat().st_size)
    with pytest.raises(StoreError, match=r"config\.json: has the SHA-256"):
        download(store, tmp_path / "cache", QUICK)
    server.remove(f"{prefix}/config.json")
    with pytest.raises(StoreError, match=r"config\.json is missing"):
        download(store, tmp_path / "cache", QUICK)
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir() and path.suffix != ".partial"]


def test_a_missing_bucket_is_named(server: Server, tmp_path: Path) -> None:
    url = server.url.replace("models", "nowhere", 1) + "/m"
    with pytest.raises(StoreError) as caught:
        download(open_folder(url), tmp_path / "cache", QUICK)
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)
