"""Starting, adopting and stopping supervised processes. Idempotent: an interrupted deployment is simply run again."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from novacron_infra.errors import LocalProcessError

LOG_LINES = 20
STOP_GRACE_S = 35.0
POLL_S = 0.05
MINIMUM_FREE_BYTES = 2**20
LOCK_WAIT_S = 15.0


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to keep running."""

    name: str
    run_dir: Path
    module: str
    """Run as `python -m MODULE --config FILE`."""
    config: Mapping[str, Any]
    """Written to the file; never holds a secret."""
    secret_env: Mapping[str, str]
    """Given in the environment, never written down."""
    ports: Mapping[str, int]
    """Field of the environment's configuration to the port that it sets."""
    ready_url: str
    ready_timeout_s: float
    triggers: str
    """Digest of what the process is made of: another one restarts it."""

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.run_dir / self.name

    @property
    def log(self) -> Path:
        """What it writes."""
        return self.run_dir / "logs" / f"{self.name}.log"

    @property
    def digest(self) -> str:
        """What tells this specification from another."""
        content = [self.module, dict(self.config), self.triggers, sorted(self.secret_env.items()), sys.executable]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_state(folder: Path) -> dict[str, Any]:
    """What the supervisor last told; empty when there is none."""
    try:
        return json.loads((folder / "state.json").read_text())
    except (OSError, ValueError):
        return {}


def alive(folder: Path) -> bool:
    """Whether a supervisor lives: the lock is held from just before its start until its end, however it ends."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        # Shared, so that two who look at the same time do not take each other for an owner.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def start(spec: ProcessSpec) -> None:
    """Bring the process up and wait until it is ready; one that runs with the same specification is kept.

    Raises:
        LocalProcessError: for a port in use, a full disk, a process that dies at its start or is not ready in time;
            with its last log lines. Nothing of it is left running.
    """
    try:
        _start(spec)
    except OSError as error:
        raise LocalProcessError(
            f"{spec.name}: {error.filename or spec.folder} cannot be written: {error.strerror}; its files have to lie "
            f"in {spec.run_dir}"
        ) from error


def _start(spec: ProcessSpec) -> None:
    if alive(spec.folder):
        if _told_state(spec.folder).get("digest") == spec.digest:
            try:
                _await_ready(spec)
            except LocalProcessError:
                stop(spec.folder)
            else:
                return
        else:
            stop(spec.folder)
    spec.folder.mkdir(parents=True, exist_ok=True)
    spec.log.parent.mkdir(parents=True, exist_ok=True)
    _refuse_full_disk(spec)
    lock = _take_lock(spec.folder)
    try:
        for field, port in spec.ports.items():
            _refuse_used_port(spec.name, field, port)
        supervisor = _launch(spec, lock)
    finally:
        os.close(lock)  # the supervisor has its own copy of the descriptor, and with it the lock
    try:
        _await_ready(spec, supervisor)
    except LocalProcessError:
        stop(spec.folder)
        raise


def _take_lock(folder: Path) -> int:
    """Own the process until its supervisor does: a run killed between the two leaves no process without a lock."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_WAIT_S
    while not _try_lock(lock):
        if time.monotonic() > deadline:
            os.close(lock)
            raise LocalProcessError(f"{folder.name} is being started by another run; wait until that has ended")
        time.sleep(POLL_S)
    return lock


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _told_state(folder: Path) -> dict[str, Any]:
    """The state of a supervisor that lives; waits for one that has only just been started."""
    deadline = time.monotonic() + LOCK_WAIT_S
    while not (state := read_state(folder)) and alive(folder) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return state


def _launch(spec: ProcessSpec, lock: int) -> subprocess.Popen[bytes]:
    (spec.folder / "state.json").unlink(missing_ok=True)
    config = spec.folder / "config.json"
    _write_private(config, json.dumps(dict(spec.config), indent=1))
    supervisor_spec = spec.folder / "supervisor.json"
    _write_private(
        supervisor_spec,
        json.dumps(
            {
                "folder": str(spec.folder),
                "command": [sys.executable, "-u", "-m", spec.module, "--config", str(config)],
                "log": str(spec.log),
                "ready_url": spec.ready_url,
                "digest": spec.digest,
                "grace_s": STOP_GRACE_S - 5,
            }
        ),
    )
    with spec.log.open("ab") as log:
        # Of our environment, what belongs to the deployment stays here: its passphrase above all.
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
        return subprocess.Popen(
            [sys.executable, "-m", "novacron_infra.local.supervisor", str(supervisor_spec), str(lock)],
            cwd=spec.folder,
            env={**inherited, **spec.secret_env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            start_new_session=True,
        )


def _await_ready(spec: ProcessSpec, supervisor: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + spec.ready_timeout_s
    while time.monotonic() < deadline:
        state = read_state(spec.folder)
        if state.get("status") == "ready":
            return
        dead = supervisor.poll() is not None if supervisor is not None else not alive(spec.folder)
        if state.get("status") == "failed" or dead:
            raise LocalProcessError(
                f"{spec.name} ended at its start (exit status {state.get('exit_status')}); {_last_lines(spec.log)}"
            )
        time.sleep(POLL_S)
    raise LocalProcessError(
        f"{spec.name} was not ready within {spec.ready_timeout_s:g} s (it never answered {spec.ready_url}); raise "
        f"workers.start_timeout_s if it needs longer; {_last_lines(spec.log)}"
    )


def stop(folder: Path) -> None:
    """End the process and its supervisor, whatever state they are in."""
    deadline = time.monotonic() + STOP_GRACE_S
    while alive(folder):
        pid = read_state(folder).get("supervisor_pid")
        if isinstance(pid, int):
            _send(pid, signal.SIGKILL if time.monotonic() > deadline else signal.SIGTERM)
        elif time.monotonic() > deadline:
            raise LocalProcessError(
                f"the supervisor of {folder.name} holds {folder}/lock but told no pid; end it by hand"
            )
        time.sleep(POLL_S)


def remove(folder: Path) -> None:
    """Stop the process and remove its files and its log."""
    stop(folder)
    shutil.rmtree(folder, ignore_errors=True)
    logs = folder.parent / "logs"
    for log in (logs / f"{folder.name}.log", logs / f"{folder.name}.log.1"):
        log.unlink(missing_ok=True)
    for empty in (logs, folder.parent):
        try:
            empty.rmdir()
        except OSError:
            return


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _refuse_full_disk(spec: ProcessSpec) -> None:
    free = shutil.disk_usage(spec.folder).free
    if free < MINIMUM_FREE_BYTES:
        raise LocalProcessError(
            f"{spec.name}: the disk of {spec.run_dir} has {free} bytes left; its log and state need at least "
            f"{MINIMUM_FREE_BYTES}: free some"
        )


def _refuse_used_port(name: str, field: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise LocalProcessError(
                f"{name}: port {port} is in use{_holder(port)}; free it, or set another in novacron:environment.{field}"
            ) from error


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            if connection.pid is None:
                return ""
            try:
                return f" by pid {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.NoSuchProcess:
                return ""
    return ""


def _last_lines(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    except OSError:
        lines = []
    return "\n".join([f"the last lines of {log}:", *(f"    {line}" for line in lines)])


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    temporary.replace(path)
