"""The model store on a real S3 server: moto's. It runs where s3fs and moto are installed; `make test` has neither."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from novacron_serving.model_store import StoreError, download, open_folder, publish, verify

from .conftest import TINY, answers, free_port, wait_until

s3fs: Any = pytest.importorskip("s3fs")
pytest.importorskip("moto.server")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)])
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/moto-api/data.json"), "moto answers", 20)
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        files = s3fs.S3FileSystem(skip_instance_cache=True)
        files.mkdir("models")
        yield files
    finally:
        server.terminate()
        server.wait(10)


def test_a_model_goes_through_s3(tmp_path: Path, s3: Any) -> None:
    folder = open_folder("s3://models/prefix/tiny")
    with pytest.raises(StoreError, match=r"has no manifest\.json"):
        download(folder, tmp_path / "cache")
    manifest = publish(TINY, folder, model_id="tiny")
    assert verify(folder) == manifest
    here, _ = download(folder, tmp_path / "cache")
    assert (here / "model.safetensors").read_bytes() == (TINY / "model.safetensors").read_bytes()
    s3.pipe_file("models/prefix/tiny/config.json", b"{}")
    with pytest.raises(StoreError, match=r"config\.json has 2 bytes"):
        verify(folder)
    s3.rm_file("models/prefix/tiny/config.json")
    with pytest.raises(StoreError, match=r"config\.json is missing"):
        download(folder, tmp_path / "elsewhere")
