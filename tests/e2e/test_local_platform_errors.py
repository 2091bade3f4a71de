"""What can be wrong with a local stack: each is told with what to change, and leaves nothing of itself running."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from typing import Any

import pytest

from .conftest import ROOT, Project

TINY = ROOT / "serving" / "novacron_serving" / "models" / "tiny"
pytestmark = pytest.mark.xdist_group("local platform")


def test_a_port_in_use_is_told_with_its_holder(project: Project) -> None:
    with socket.create_server(("127.0.0.1", project.port + 1)):
        told = project.fail("up")
    assert f"port {project.port + 1} is in use by pid {os.getpid()} " in told
    assert "set another in novacron:environment.coordinator.grpc_port" in told
    assert project.services() == []


MODELS: dict[str, tuple[dict[str, str], str]] = {
    "missing": ({}, "holds no config.json. Name a Hugging Face model folder"),
    "no JSON": ({"config.json": "{"}, "its config.json is not valid JSON"),
    "of something else": ({"config.json": '{"name": "x"}'}, "its config.json names no model_type"),
    "no weights": ({"config.json": '{"model_type": "llama"}'}, "holds no weights"),
}


@pytest.mark.parametrize("files", MODELS)
def test_a_folder_that_is_no_model_is_told_before_anything_starts(project: Project, files: str) -> None:
    content, expected = MODELS[files]
    (project.folder / "model").mkdir()
    for name, text in content.items():
        (project.folder / "model" / name).write_text(text)
    project.describe(model={"id": "mine", "path": "model"})
    told = project.fail("preview")
    assert f"novacron:environment.model.path = {project.folder / 'model'}: {expected}" in told


def without_tokenizer(project: Project) -> dict[str, Any]:
    shutil.copytree(TINY, project.folder / "model")
    (project.folder / "model" / "tokenizer.json").unlink()
    return {"model": {"id": "mine", "path": "model"}}


DIE_AT_START: dict[str, tuple[Any, str]] = {
    "model without a tokenizer": (without_tokenizer, "has no tokenizer that can be loaded: "),
    "no such device": (lambda _: {"workers": {"device": "cuda"}}, "PyTorch sees no CUDA device; use 'cpu' or 'auto'"),
}


@pytest.mark.parametrize("reason", DIE_AT_START)
def test_a_worker_that_dies_at_its_start_is_told_with_its_last_words(
    project: Project, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    change, expected = DIE_AT_START[reason]
    project.describe(**change(project))
    told = project.fail("up")
    assert "worker-0 ended at its start (exit status 2); the last lines of" in told
    assert expected in told
    assert not any("worker-0" in service for service in project.services())


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk_is_told(project: Project) -> None:
    project.run_dir.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(project.run_dir)], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        told = project.fail("up")
    finally:
        subprocess.run(["umount", str(project.run_dir)], check=True)
    assert f"the disk of {project.run_dir} has " in told
    assert project.services() == []
