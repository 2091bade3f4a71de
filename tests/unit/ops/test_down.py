"""`novacron down` of a stack that it must not touch: locked, with a damaged state or with another passphrase."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from novacron_ops import local_processes
from novacron_ops.backends import RehearsalEngine
from novacron_ops.project import ProjectStack
from novacron_rehearsal.state.lock import StackLock
from novacron_rehearsal.state.secrets import Secrets
from rich.console import Console

from tests.unit.ops.running import enter_project, novacron

STACK = {"urn": "urn:pulumi:local::shop::pulumi:pulumi:Stack::shop-local", "type": "pulumi:pulumi:Stack"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a stack that is deployed and a folder of one of its processes."""
    enter_project(tmp_path, monkeypatch)
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "Pulumi.local.yaml").write_text("config: {novacron:environment: {platform: local}}\n")
    sealed = Secrets.new("correct horse")
    signature = "4dabf18193072939515e22adb298388d"
    secret = {signature: "1b47061264138c4ac30d75fd1eb44270", "ciphertext": sealed.encrypt('"s3cret"')}
    deployment = {
        "manifest": {},
        "secrets_providers": {"type": "passphrase", "state": {"salt": sealed.state}},
        "resources": [{**STACK, "custom": False, "outputs": {"admin_key": secret}}],
    }
    state_file(tmp_path).parent.mkdir(parents=True)
    state_file(tmp_path).write_text(json.dumps({"version": 3, "checkpoint": {"latest": deployment}}))
    worker = tmp_path / ".novacron/run/local/worker-0"
    worker.mkdir(parents=True)
    (worker / "supervisor.json").write_text("{}")
    return tmp_path


def state_file(project: Path) -> Path:
    return project / ".novacron/.pulumi/stacks/shop/local.json"


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The run folders whose processes were stopped."""
    calls: list[Path] = []

    def stop(run_dir: Path) -> list[str]:
        calls.append(run_dir)
        return []

    monkeypatch.setattr(local_processes, "stop_leftovers", stop)
    return calls


@pytest.fixture
def locked(project: Path) -> Iterator[None]:
    lock = StackLock(project / ".novacron", "shop", "local")
    yield
    lock.release()


def assert_untouched(project: Path, before: str, stopped: list[Path]) -> None:
    assert state_file(project).read_text() == before
    assert stopped == []
    assert (project / ".novacron/run/local/worker-0/supervisor.json").exists()


@pytest.mark.usefixtures("locked")
def test_a_locked_stack_is_not_touched(project: Path, stopped: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    before = state_file(project).read_text()
    assert novacron("down") == 1
    output = capsys.readouterr()
    assert "stack 'local' is locked by another run" in output.out
    assert "stack local was not removed: nothing was changed" in output.err
    assert_untouched(project, before, stopped)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "is damaged"), ("[]", "is not a Pulumi checkpoint"), ("", "is damaged")],
    ids=["truncated", "a list", "empty"],
)
def test_a_stack_with_a_damaged_state_is_not_touched(
    project: Path, stopped: list[Path], capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    shutil.copy(state_file(project), f"{state_file(project)}.bak")
    state_file(project).write_text(content)
    assert novacron("down") == 1
    output = capsys.readouterr()
    assert message in output.out
    assert ".bak" in output.out
    assert "nothing was changed. Fix the problem above" in output.err
    assert_untouched(project, content, stopped)


def test_a_stack_with_another_passphrase_is_not_touched(
    project: Path, stopped: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "wrong")
    before = state_file(project).read_text()
    assert novacron("down") == 1
    output = capsys.readouterr()
    assert "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE" in output.out
    assert "nothing was changed. Fix the problem above" in output.err
    assert_untouched(project, before, stopped)


@pytest.mark.parametrize("command", ["down", "up", "preview", "status", "key", "export"])
def test_without_its_passphrase_file_a_stack_is_not_touched_and_no_new_file_is_made(
    project: Path,
    stopped: list[Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    before = state_file(project).read_text()
    assert novacron(command) == 1
    assert "has encrypted secrets, but there is no passphrase: restore" in capsys.readouterr().err
    assert not (project / ".novacron/passphrase").exists()
    assert_untouched(project, before, stopped)


def test_a_run_that_starts_while_a_removed_stack_is_forgotten_keeps_its_state(project: Path) -> None:
    engine = RehearsalEngine(ProjectStack(project, "local"), Console())
    empty = {"version": 3, "checkpoint": {"latest": {"manifest": {}, "resources": []}}}
    state_file(project).write_text(json.dumps(empty))
    lock = StackLock(project / ".novacron", "shop", "local")
    engine.forget()
    assert state_file(project).exists()
    lock.release()
    engine.forget()
    assert not state_file(project).exists()


def test_a_removed_stack_has_its_leftover_processes_stopped_and_its_state_forgotten(
    project: Path, stopped: list[Path]
) -> None:
    assert novacron("down") == 0
    assert stopped == [project / ".novacron/run/local"]
    assert not state_file(project).exists()
