"""`novacron images push` with a real registry on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from novacron_infra.config.sections.images import ImageReference
from pydantic import TypeAdapter

from tests.polling import free_port

ROOT = Path(__file__).parents[2]
REGISTRY = shutil.which("docker-registry") or shutil.which("registry")

pytestmark = [
    pytest.mark.skipif(shutil.which("buildah") is None, reason="needs buildah (apt-get install buildah)"),
    pytest.mark.skipif(REGISTRY is None, reason="needs a registry (apt-get install docker-registry)"),
]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Start a registry. Yields its host and port."""
    assert REGISTRY is not None
    host = f"127.0.0.1:{free_port()}"
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "storage")}},
        "http": {"addr": host},
    }
    (tmp_path / "registry.yml").write_text(json.dumps(config))
    process = subprocess.Popen([REGISTRY, "serve", str(tmp_path / "registry.yml")], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(f"http://{host}/v2/", trust_env=False).status_code == 200:
                break
        assert process.poll() is None, "the registry ended"
        assert time.monotonic() < end, "the registry did not answer within 20 s"
        time.sleep(0.05)
    yield host
    process.terminate()
    process.wait(10)


def test_a_pushed_image_is_at_the_printed_digest(registry: str, tmp_path: Path) -> None:
    settings = tmp_path / "registries.conf"
    settings.write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    environment = {**os.environ, "CONTAINERS_REGISTRIES_CONF": str(settings)}
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    reference = f"{registry}/lab/novacron-coordinator:v1"
    build = ["buildah", "build", "--quiet", "--tag", reference, str(tmp_path)]
    subprocess.run(build, env=environment, check=True, capture_output=True)
    try:
        command = [str(Path(sys.executable).with_name("novacron")), "images", "push", "coordinator"]
        command += ["--registry", f"{registry}/lab", "--tag", "v1", "--builder", "buildah"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    finally:
        subprocess.run(["buildah", "rmi", reference], check=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.strip()
    assert TypeAdapter(ImageReference).validate_python(printed) == printed
    name, digest = printed.split("@")
    assert name == reference
    accepted = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
    for version in (digest, "v1"):
        answer = httpx.get(
            f"http://{registry}/v2/lab/novacron-coordinator/manifests/{version}",
            headers={"accept": accepted},
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["docker-content-digest"] == digest
