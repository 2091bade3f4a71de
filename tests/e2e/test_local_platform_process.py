"""A supervised process on this machine: started once, kept, restarted, stopped and removed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from novacron_infra.clock import ManualClock
from novacron_infra.errors import LocalProcessError
from novacron_infra.local import process, readiness
from novacron_infra.local import supervisor as supervisor_module
from novacron_infra.local.process import ProcessSpec
from novacron_infra.local.state_files import read_state
from novacron_infra.local.supervisor import Supervisor

from tests.polling import free_port, wait_until

SERVER = """
import http.server, json, os, sys
config = json.load(open(sys.argv[2]))
print("token", len(os.environ["TOKEN"]), "passphrase", "PULUMI_CONFIG_PASSPHRASE" in os.environ, flush=True)
if config.get("die"):
    sys.exit("the model is missing")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = config.get("ready", True) and not (config.get("later") and self.path == "/ready")
        self.send_response(200 if ready else 503)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", config["port"]), Handler).serve_forever()
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessSpec]:
    (tmp_path / "dummy_server.py").write_text(SERVER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "not for processes")
    port = free_port()
    yield ProcessSpec(
        name="service",
        run_dir=tmp_path / "run",
        module="dummy_server",
        config={"port": port},
        secret_env={"TOKEN": "a secret"},
        ports={"coordinator.http_port": port},
        ready_url=f"http://127.0.0.1:{port}/ready",
        ready_timeout_s=20,
        triggers="",
    )
    process.stop(tmp_path / "run" / "service")


def processes_of(spec: ProcessSpec) -> list[int]:
    found = []
    for item in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(str(spec.run_dir) in part for part in item.cmdline()):
                found.append(item.pid)
    return found


def test_a_process_starts_once_and_the_next_run_keeps_it(spec: ProcessSpec) -> None:
    process.start(spec)
    first = read_state(spec.folder)
    process.start(spec)
    assert read_state(spec.folder)["child_pid"] == first["child_pid"]
    assert len(processes_of(spec)) == 2


def test_a_changed_specification_restarts_it(spec: ProcessSpec) -> None:
    process.start(spec)
    before = read_state(spec.folder)
    process.start(replace(spec, triggers="another model"))
    assert read_state(spec.folder)["child_pid"] != before["child_pid"]
    assert len(processes_of(spec)) == 2


def test_secrets_are_neither_in_files_nor_in_arguments_and_the_passphrase_is_not_inherited(spec: ProcessSpec) -> None:
    process.start(spec)
    for file in spec.folder.iterdir():
        assert b"a secret" not in file.read_bytes()
    assert (spec.folder / "config.json").stat().st_mode & 0o777 == 0o600
    for pid in processes_of(spec):
        assert "a secret" not in " ".join(psutil.Process(pid).cmdline())
    assert "token 8 passphrase False" in spec.log.read_text()


def test_a_killed_process_is_restarted(spec: ProcessSpec) -> None:
    process.start(spec)
    pid = read_state(spec.folder)["child_pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: read_state(spec.folder).get("restarts") == 1, "one restart")
    wait_until(lambda: read_state(spec.folder).get("status") == "ready", "the process is ready")
    assert read_state(spec.folder)["child_pid"] != pid


@pytest.mark.skipif(sys.platform != "linux", reason="a process dies with its parent on Linux only")
def test_a_killed_supervisor_takes_its_process_along(spec: ProcessSpec) -> None:
    process.start(spec)
    os.kill(read_state(spec.folder)["supervisor_pid"], signal.SIGKILL)
    wait_until(lambda: not process.is_alive(spec.folder), "the supervisor ended")
    wait_until(
        lambda: not any(psutil.Process(p).status() != psutil.STATUS_ZOMBIE for p in processes_of(spec)),
        "no process runs",
    )


def test_removal_leaves_neither_process_nor_file(spec: ProcessSpec) -> None:
    process.start(spec)
    process.remove(spec.folder)
    assert processes_of(spec) == []
    assert not spec.run_dir.exists()


def test_a_process_that_dies_at_its_start_is_reported_with_its_last_log_lines(spec: ProcessSpec) -> None:
    with pytest.raises(LocalProcessError, match="the model is missing"):
        process.start(replace(spec, config={**spec.config, "die": True}))
    assert processes_of(spec) == []


@pytest.mark.parametrize(
    ("timeout_field", "advice"),
    [("", "never returned 200; the last lines of"), ("workers.start_timeout_s", "raise novacron:environment.workers.")],
)
def test_a_process_that_is_never_ready_is_stopped(spec: ProcessSpec, timeout_field: str, advice: str) -> None:
    never = replace(spec, config={**spec.config, "ready": False}, ready_timeout_s=600, timeout_field=timeout_field)
    with pytest.raises(LocalProcessError, match=f"not ready within 600 s: .*{advice}"):
        process.start(never, ManualClock())
    assert processes_of(spec) == []


def test_a_port_in_use_names_port_holder_and_field(spec: ProcessSpec) -> None:
    port = spec.ports["coordinator.http_port"]
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen(1)
        with pytest.raises(LocalProcessError, match=rf"{port} is in use.*{os.getpid()}.*coordinator\.http_port"):
            process.start(spec)
    assert processes_of(spec) == []


def test_a_full_disk_is_reported_before_anything_starts(spec: ProcessSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(LocalProcessError, match=r"has 1000 bytes left; .* need at least 1048576: free some"):
        process.start(spec)
    assert processes_of(spec) == []


def test_a_folder_that_cannot_be_written_is_named(spec: ProcessSpec) -> None:
    spec.run_dir.write_text("in the way")
    with pytest.raises(LocalProcessError, match=f"service: {spec.folder} cannot be written: Not a directory"):
        process.start(spec)
    spec.run_dir.unlink()


def test_a_disk_that_fills_up_later_does_not_end_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    supervisor = Supervisor({"folder": str(tmp_path), "digest": ""})
    with monkeypatch.context() as disk:
        disk.setattr(supervisor_module, "write_private", full)
        with pytest.raises(OSError, match="No space"):  # without a state file, no command could find or stop it
            supervisor._write_state(status="starting")
    supervisor._write_state(status="ready")
    monkeypatch.setattr(supervisor_module, "write_private", full)
    supervisor._write_state(status="starting")
    assert read_state(tmp_path)["status"] == "ready"


def test_a_process_that_another_command_stops_while_it_starts_is_reported_as_stopped(spec: ProcessSpec) -> None:
    until_stopped = threading.Thread(
        target=lambda: (wait_until(lambda: process.is_alive(spec.folder), "a supervisor runs"), stop_soon(spec))
    )
    until_stopped.start()
    with pytest.raises(LocalProcessError, match="service was stopped while it started, by another command or a signal"):
        process.start(replace(spec, config={**spec.config, "ready": False}))
    until_stopped.join()
    assert processes_of(spec) == []


def stop_soon(spec: ProcessSpec) -> None:
    wait_until(lambda: read_state(spec.folder).get("child_pid"), "the process was started")
    os.kill(read_state(spec.folder)["supervisor_pid"], signal.SIGTERM)


@pytest.mark.parametrize(
    ("state", "description"),
    [
        ({"status": "failed", "exit_status": 2}, "ended at its start (exit status 2)"),
        ({"status": "failed", "exit_status": -9}, "was killed at its start (SIGKILL)"),
        ({"status": "starting", "exit_status": None}, "ended at its start: its supervisor was killed"),
        ({}, "ended at its start: its supervisor was killed"),
    ],
)
def test_the_end_of_a_process_is_described(state: dict[str, object], description: str) -> None:
    assert process._describe_end(state) == description


def test_readiness_waits_for_all_addresses_and_reports_the_missing_one(spec: ProcessSpec) -> None:
    process.start(spec)
    readiness.await_ready([spec.ready_url], 1, "logs")
    closed = f"http://127.0.0.1:{free_port()}/ready"
    assert f"{closed} does not answer: " in str(readiness.find_unready([spec.ready_url, closed]))
    process.start(replace(spec, config={**spec.config, "later": True}, ready_url=spec.ready_url.replace("ready", "up")))
    with pytest.raises(
        LocalProcessError, match=rf"not ready within 0\.2 s: {spec.ready_url} answers 503.* logs in here"
    ):
        readiness.await_ready([spec.ready_url], 0.2, "here")


def test_runs_killed_at_random_moments_converge_without_orphans(spec: ProcessSpec, tmp_path: Path) -> None:
    """The caller is killed with SIGKILL, like a provider whose engine is killed."""
    caller = tmp_path / "caller.py"
    caller.write_text(
        "import json, sys\nfrom pathlib import Path\nfrom novacron_infra.local.process import ProcessSpec, start\n"
        "given = json.loads(sys.argv[1])\nstart(ProcessSpec(**{**given, 'run_dir': Path(given['run_dir'])}))\n"
    )
    given = {name: getattr(spec, name) for name in ProcessSpec.__dataclass_fields__} | {"run_dir": str(spec.run_dir)}
    chance = random.Random(7)  # noqa: S311 - moments, not secrets
    for round_number in range(6):
        arguments = json.dumps({**given, "triggers": str(round_number % 2)})
        killed = subprocess.Popen([sys.executable, str(caller), arguments])
        time.sleep(chance.uniform(0.1, 0.8))
        killed.kill()
        killed.wait()
    process.start(spec)
    assert len(processes_of(spec)) == 2
    assert read_state(spec.folder)["digest"] == spec.digest
