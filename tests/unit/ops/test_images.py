"""`novacron images` calls the program that builds images, and reports what is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.ops.running import ROOT, novacron

BUILDAH = """#!/bin/sh
echo "$0 $*" >> "$CALLS"
for word; do
  if [ "$digest" = next ]; then printf sha256:abc > "$word"; fi
  if [ "$word" = --digestfile ]; then digest=next; else digest=; fi
done
[ -z "$FAIL" ]
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program named buildah alone on PATH that writes down how it is called."""
    for name in ("buildah", "kind", "syft"):
        (tmp_path / name).write_text(BUILDAH)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.chdir(ROOT)
    return tmp_path / "calls"


def test_build_uses_the_dockerfile_the_base_and_further_options(calls: Path) -> None:
    options = ("--builder", "buildah", "--base", "debian@sha256:1", "--build-option=--pull")
    assert novacron("images", "build", "coordinator", *options) == 0
    (call,) = calls.read_text().splitlines()
    assert f"build --file {ROOT}/images/coordinator.Dockerfile --tag localhost/novacron-coordinator:trial" in call
    assert "--build-arg BASE=debian@sha256:1 --pull" in call
    assert call.endswith(f" {ROOT}")


def test_without_names_coordinator_and_cpu_worker_are_built(calls: Path) -> None:
    assert novacron("images", "build", "--builder", "buildah", "--tag", "v1") == 0
    assert [call.split("--tag ")[1].split()[0] for call in calls.read_text().splitlines()] == [
        "localhost/novacron-coordinator:v1",
        "localhost/novacron-worker-cpu:v1",
    ]


def test_push_prints_the_reference_with_its_digest(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        novacron("images", "push", "worker-gpu", "--builder", "buildah", "--registry", "registry.example.com/ai") == 0
    )
    assert capsys.readouterr().out == "registry.example.com/ai/novacron-worker-gpu:trial@sha256:abc\n"
    assert "docker://registry.example.com/ai/novacron-worker-gpu:trial" in calls.read_text()


def test_load_passes_an_archive_to_the_cluster(calls: Path) -> None:
    assert novacron("images", "load", "coordinator", "--builder", "buildah", "--into", "kind", "--cluster", "lab") == 0
    saved, loaded = calls.read_text().splitlines()
    assert "localhost/novacron-coordinator:trial docker-archive:" in saved
    assert loaded.endswith("image.tar --name lab")


def test_the_packages_of_an_image_are_listed_from_its_archive(calls: Path) -> None:
    assert novacron("images", "sbom", "coordinator", "--builder", "buildah", "--tag", "v1") == 0
    saved, listed = calls.read_text().splitlines()
    archive = saved.split("docker-archive:")[1].split(":")[0]
    assert f"scan docker-archive:{archive} --quiet --output spdx-json=novacron-coordinator.spdx.json" in listed
    assert listed.endswith("--source-name localhost/novacron-coordinator --source-version v1")


def test_load_streams_an_image_into_k3s(calls: Path) -> None:
    (calls.parent / "k3s").write_text(f"#!/bin/sh\ncat > {calls.parent}/loaded\n")
    (calls.parent / "k3s").chmod(0o755)
    with (calls.parent / "buildah").open("a") as program:
        program.write('case "$*" in push*) echo content >/dev/stdout; esac\n')
    assert novacron("images", "load", "coordinator", "--builder", "buildah", "--into", "k3s") == 0
    assert (calls.parent / "loaded").read_text() == "content\n"


def test_docker_streams_an_image_too(calls: Path) -> None:
    # `docker save --output` replaces its file by a rename, even a link such as /dev/stdout.
    reference = "localhost/novacron-coordinator:trial"
    for name, script in (("docker", f'[ "$*" != "save {reference}" ] || echo content'), ("k3s", "cat > loaded")):
        (calls.parent / name).write_text(f"#!/bin/sh\ncd {calls.parent}\n{script}\n")
        (calls.parent / name).chmod(0o755)
    assert novacron("images", "load", "coordinator", "--builder", "docker", "--into", "k3s") == 0
    assert (calls.parent / "loaded").read_text() == "content\n"


def test_a_destination_that_refuses_an_image_is_named(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (calls.parent / "k3s").write_text("#!/bin/sh\nexit 1\n")
    (calls.parent / "k3s").chmod(0o755)
    with (calls.parent / "buildah").open("a") as program:
        program.write('case "$*" in push*) yes; esac\n')  # it ends once nothing reads it any more
    assert novacron("images", "load", "coordinator", "--builder", "buildah", "--into", "k3s") == 1
    assert "localhost/novacron-coordinator:trial cannot be loaded into k3s" in capsys.readouterr().err


def test_an_image_that_was_not_built_is_not_loaded(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIL", "1")
    assert novacron("images", "load", "coordinator", "--builder", "buildah", "--into", "k3s") == 1
    assert "build it first with `novacron images build coordinator`" in capsys.readouterr().err


def test_a_failing_build_ends_the_command(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIL", "1")
    assert novacron("images", "build", "--builder", "buildah") == 1
    assert (
        "localhost/novacron-coordinator:trial cannot be built: buildah ended with status 1" in capsys.readouterr().err
    )
    assert len(calls.read_text().splitlines()) == 1


def test_a_missing_builder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(ROOT)
    assert novacron("images", "build") == 2
    assert "buildah and docker not found on PATH; install Docker, or buildah" in capsys.readouterr().err


@pytest.mark.parametrize("dockerfile", sorted((ROOT / "images").glob("*.Dockerfile")), ids=lambda path: path.stem)
def test_the_base_of_an_image_is_pinned_by_its_digest(dockerfile: Path) -> None:
    bases = re.findall(r"^ARG BASE=(.+)$", dockerfile.read_text(), re.MULTILINE)
    assert len(bases) == 1
    assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", bases[0])
    assert set(re.findall(r"^FROM (\S+)", dockerfile.read_text(), re.MULTILINE)) == {"${BASE}"}
