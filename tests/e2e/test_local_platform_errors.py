"""Errors of a local stack: each message has a fix, and no process keeps running."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from novacron_infra.local.ports import can_listen

from tests.polling import wait_until

from .conftest import ROOT, Project

TINY = ROOT / "serving" / "novacron_serving" / "models" / "tiny"
pytestmark = pytest.mark.xdist_group("local platform")


def test_all_ports_in_use_are_reported_in_one_run_with_their_holder(project: Project) -> None:
    taken = [project.port, project.port + 1, project.port + 3]
    project.describe(workers={"count": 2, "base_port": project.port + 2})
    with contextlib.ExitStack() as stack:
        for port in taken:
            stack.enter_context(socket.create_server(("127.0.0.1", port)))
        warning, error = project.succeed("preview"), project.fail("up")
    fields = ("coordinator.http_port", "coordinator.grpc_port", "workers.base_port")
    values = (taken[0], taken[1], project.port + 2)
    for port, field, value in zip(taken, fields, values, strict=True):
        of = "" if port == value else " of worker-1"
        problem = f"novacron:environment.{field} = {value}: port {port}{of} is in use by pid {os.getpid()} "
        assert problem in error
        assert problem in warning
    assert "Stop that process, or set another port" in error
    assert project.services() == []


def test_a_port_that_another_stack_of_novacron_holds_is_reported_with_the_command_that_frees_it(
    project: Project, tmp_path: Path
) -> None:
    other = tmp_path / "other project"
    server = f"import socket, time; s = socket.create_server(('127.0.0.1', {project.port})); time.sleep(600)"
    config = str(other / ".novacron" / "run" / "dev" / "coordinator" / "config.json")
    holder = subprocess.Popen([sys.executable, "-c", server, "novacron_serving.coordinator", "--config", config])
    try:
        wait_until(lambda: not can_listen(project.port), "it listens")
        error = project.fail("up")
    finally:
        holder.kill()
        holder.wait()
    assert f"is in use by pid {holder.pid}, coordinator of the NovaCron stack 'dev' in {other}" in error
    assert f"Run `novacron down -s dev` in {other}, or set another port" in error


MODELS: dict[str, tuple[dict[str, str], str]] = {
    "without a configuration": ({"README.md": ""}, "has no config.json. Name a Hugging Face model folder"),
    "no JSON": ({"config.json": "{"}, "has a config.json that is not valid JSON"),
    "of something else": ({"config.json": '{"name": "x"}'}, "has a config.json without model_type"),
    "no weights": ({"config.json": '{"model_type": "llama"}'}, "has no weights"),
}


def test_a_model_folder_that_does_not_exist_is_reported_with_its_whole_path(project: Project) -> None:
    project.variables["HOME"] = str(project.folder)
    for path, folder in (
        ("nowhere", project.folder / "nowhere"),
        ("~/models/mine", project.folder / "models" / "mine"),
    ):
        project.describe(model={"id": "mine", "path": path})
        assert f": {folder} does not exist. Name a Hugging Face model folder" in project.fail("preview")


@pytest.mark.parametrize("files", MODELS)
def test_a_folder_that_is_not_a_model_is_reported_before_anything_starts(project: Project, files: str) -> None:
    content, expected = MODELS[files]
    (project.folder / "model").mkdir()
    for name, text in content.items():
        (project.folder / "model" / name).write_text(text)
    project.describe(model={"id": "mine", "path": "model"})
    assert f"novacron:environment.model.path = model: {project.folder / 'model'} {expected}" in project.fail("preview")


def test_a_worker_that_dies_at_its_start_is_reported_with_its_last_log_lines(project: Project) -> None:
    shutil.copytree(TINY, project.folder / "model")
    (project.folder / "model" / "tokenizer.json").unlink()
    project.describe(model={"id": "mine", "path": "model"})
    error = project.fail("up")
    assert "worker-0 ended at its start (exit status 2); the last lines of" in error
    assert "has no usable tokenizer: " in error
    assert not any("worker-0" in service for service in project.services())


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs Linux and root, to mount a small disk")
def test_a_full_disk_is_reported(project: Project) -> None:
    project.run_dir.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(project.run_dir)], check=False)
    if mounted.returncode:
        pytest.skip("needs the right to mount file systems")
    try:
        error = project.fail("up")
    finally:
        subprocess.run(["umount", str(project.run_dir)], check=True)
    assert f"the disk of {project.run_dir} has " in error
    assert project.services() == []
