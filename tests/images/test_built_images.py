"""Users, labels, sizes, tools and packages of the built images. Images that are not built here are skipped.

`NOVACRON_TEST_TAG` names their tag (`trial`). The GPU worker may be built on the stand-in base.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TAG = os.environ.get("NOVACRON_TEST_TAG", "trial")
IMAGES = ("coordinator", "worker-cpu", "worker-gpu")
SIZE_LIMITS_MB = {"coordinator": 300, "worker-cpu": 1500}
"""Unpacked sizes that docs/images.md promises. The GPU worker's size is that of NVIDIA's image."""
BUILD_TOOLS = {"gcc", "cc", "g++", "ld", "as", "make", "cmake", "git", "curl", "wget", "pip", "pip3", "uv"}

pytestmark = pytest.mark.skipif(
    shutil.which("buildah") is None or os.geteuid() != 0, reason="needs root and buildah (apt-get install buildah)"
)


def buildah(*arguments: str) -> str:
    return subprocess.run(["buildah", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def find(image: str) -> str:
    reference = f"localhost/novacron-{image}:{TAG}"
    if subprocess.run(
        ["buildah", "inspect", "--type", "image", reference], capture_output=True, check=False
    ).returncode:
        pytest.skip(f"needs {reference}: `novacron images build {image} --tag {TAG}`")
    return reference


@pytest.fixture(scope="module", params=IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    find(request.param)
    return request.param


@pytest.fixture(scope="module")
def settings(image: str) -> dict[str, Any]:
    return json.loads(buildah("inspect", "--type", "image", find(image)))["OCIv1"]["config"]


@pytest.fixture(scope="module")
def files(image: str) -> Iterator[Path]:
    """Mount an image's files."""
    container = buildah("from", find(image))
    yield Path(buildah("mount", container))
    buildah("rm", container)


def test_an_image_runs_as_a_user_and_says_what_it_is(image: str, settings: dict[str, Any]) -> None:
    assert settings["User"] == "10001:10001"
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in settings["Labels"].items()}
    assert labels["title"].startswith("NovaCron ")
    assert {"description", "licenses", "version", "base.name"} <= labels.keys()
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])
    module = settings["Entrypoint"][2]
    assert module == f"novacron_serving.{'coordinator' if image == 'coordinator' else 'worker'}" + (
        ".launch" if image == "worker-gpu" else ""
    )


def test_an_image_has_no_build_tools(image: str, files: Path) -> None:
    folders = ("usr/bin", "usr/sbin", "usr/local/bin", "opt/novacron/bin")
    found = {path.name for folder in folders for path in (files / folder).iterdir()}
    assert not found & BUILD_TOOLS
    packages = {path.name for path in (files / "opt/novacron/lib").glob("python*/site-packages/*")}
    assert "novacron_serving" in packages
    assert not packages & {"pip", "setuptools", "hatchling", "wheel"}


def test_the_home_folder_is_the_users_and_no_key_is_in_an_image(files: Path) -> None:
    assert (files / "home/novacron").stat().st_uid == 10001
    assert list((files / "etc/ssh").glob("ssh_host_*")) == []


def test_the_entry_point_starts_and_asks_for_its_configuration(settings: dict[str, Any], files: Path) -> None:
    command = [
        "chroot",
        "--userspec=10001:10001",
        str(files),
        "/usr/bin/env",
        *settings["Env"],
        *settings["Entrypoint"],
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.partition(": ")[2]) == (2, "usage: --config FILE.json\n")


@pytest.mark.parametrize(("image", "limit_mb"), SIZE_LIMITS_MB.items(), ids=SIZE_LIMITS_MB)
def test_an_image_stays_below_its_size_limit(image: str, limit_mb: int) -> None:
    (listed,) = json.loads(buildah("images", "--json", find(image)))
    size, unit = listed["size"].split()
    assert float(size) * {"MB": 1, "GB": 1000}[unit] < limit_mb


def test_an_sbom_lists_every_pinned_package_of_the_coordinator(tmp_path: Path) -> None:
    if shutil.which("syft") is None:
        pytest.skip("needs syft: go install github.com/anchore/syft/cmd/syft@v1.57.1")
    find("coordinator")
    novacron = Path(sys.executable).with_name("novacron")
    command = [str(novacron), "images", "sbom", "coordinator", "--tag", TAG, "--builder", "buildah"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (ROOT / "novacron-coordinator.spdx.json").rename(tmp_path / "sbom.json")
    listed = json.loads((tmp_path / "sbom.json").read_text())
    found = {f"{package['name']}=={package.get('versionInfo')}".lower() for package in listed["packages"]}
    pins = re.findall(
        r"^([\w.-]+==[\w.]+)( ;.*)? \\$", (ROOT / "requirements/image-coordinator.txt").read_text(), re.MULTILINE
    )
    unconditional = {pin for pin, marker in pins if not marker}
    assert len(unconditional) > 30
    assert {re.sub(r"[_.](?=.*==)", "-", pin) for pin in unconditional} <= {
        re.sub(r"[_.](?=.*==)", "-", pin) for pin in found
    }
    assert any(pin.startswith("libc6==") for pin in found)
