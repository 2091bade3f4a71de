"""Start, adopt and stop supervised processes. Every step can be repeated: run an interrupted deployment again.

The states of a process, as its supervisor writes them to `state.json`:

    starting ──► ready ──► starting …      it died and is started again
        │          └─────► failed          it died too often
        ├────────────────► failed          its first start failed
        └──── any ───────► stopped         its supervisor was asked to stop

A lock file says whether a supervisor is alive. `start` takes the lock and hands it to the supervisor, which holds it
until it ends, however it ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from novacron_infra.clock import SYSTEM_CLOCK, Clock
from novacron_infra.errors import LocalProcessError
from novacron_infra.local.contract import read_contract
from novacron_infra.local.files import (
    PRIVATE_FILE,
    PRIVATE_UMASK,
    close_to_others,
    make_private_folder,
    open_private_log,
    write_private,
)
from novacron_infra.local.ports import can_listen, describe_holder, find_listening_ports
from novacron_infra.local.state_files import STATE_FILE, SUPERVISOR_FILE, ProcessState, SupervisorSpec, read_state
from novacron_infra.local.variables import select_variables

LOG_LINES = 20
STOP_GRACE_S = 35.0
POLL_S = 0.05
MINIMUM_FREE_BYTES = 2**20
LOCK_WAIT_S = 15.0
SUPERVISOR = "novacron_infra.local.supervisor"


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to keep running."""

    name: str
    run_dir: Path
    module: str
    """Run as `python -m MODULE --config FILE`."""
    config: Mapping[str, Any]
    """The content of the file; never a secret."""
    secret_env: Mapping[str, str]
    """Secrets, which the process gets as environment variables and which are written nowhere."""
    ports: Mapping[str, int]
    """The ports that it listens on, by the field of the environment's configuration that sets each."""
    ready_url: str
    ready_timeout_s: float
    triggers: str
    """Digest of the code and the model: a new one restarts the process."""
    pass_env: tuple[str, ...] = ()
    """Names or patterns of further environment variables that the process inherits."""
    timeout_field: str = field(default="", compare=False)
    """The field of the environment's configuration that sets `ready_timeout_s`; empty where none does."""

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return self.run_dir / self.name

    @property
    def log(self) -> Path:
        """The file with everything that it writes."""
        return self.run_dir / "logs" / f"{self.name}.log"

    @property
    def digest(self) -> str:
        """A digest of everything that needs a restart when it changes."""
        content: list[object] = [
            self.module,
            dict(self.config),
            self.triggers,
            sorted(self.secret_env.items()),
            sys.executable,
        ]
        if self.pass_env:  # a process of an earlier version has none, and is kept
            content.append(sorted(self.pass_env))
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def is_alive(folder: Path) -> bool:
    """Return whether a supervisor is alive, or about to be: one that is being started counts."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        # Shared, so that two callers who look at the same time do not mistake each other for a supervisor.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def find_supervisor(folder: Path) -> psutil.Process | None:
    """Return the running supervisor of a process, None when there is none.

    The process id in `state.json` may be that of another process by now: the command line decides.
    """
    pid = read_state(folder).get("supervisor_pid")
    if isinstance(pid, int):
        try:
            process = psutil.Process(pid)
        except (psutil.Error, ValueError, OverflowError):
            process = None
        if process is not None and find_supervised_folder(process) == folder:
            return process
    return next((process for process in psutil.process_iter() if find_supervised_folder(process) == folder), None)


def find_supervised_folder(process: psutil.Process) -> Path | None:
    """Return the folder of the process that a supervisor keeps running; None for any other process.

    A supervisor runs as the folder's owner: another user's process with the same command line is not one.
    """
    try:
        command = process.cmdline()
        user = process.uids().effective
    except psutil.Error:
        return None
    if SUPERVISOR not in command[:-1]:
        return None
    file = Path(command[command.index(SUPERVISOR) + 1])
    return file.parent if file.name == SUPERVISOR_FILE and user == _owner(file.parent) else None


def _owner(folder: Path) -> int:
    """Return the id of the user who owns a folder; this user's id if the folder is gone."""
    try:
        return folder.stat().st_uid
    except OSError:
        return os.geteuid()


def find_folders(run_dir: Path) -> list[Path]:
    """Return the folders of all processes of a stack: those with files, and those that run although theirs are gone."""
    folders = {folder for folder in run_dir.glob("*/") if (folder / "lock").exists()}
    running = (find_supervised_folder(process) for process in psutil.process_iter())
    return sorted(folders | {folder for folder in running if folder is not None and folder.parent == run_dir})


def find_own_ports(folder: Path) -> list[int]:
    """Return the ports on which the process in a folder listens now."""
    supervisor = find_supervisor(folder) if is_alive(folder) else None
    if supervisor is None:
        return []
    try:
        children = supervisor.children(recursive=True)
    except psutil.Error:
        return []
    return [port for child in children for port in find_listening_ports(child)]


def start(spec: ProcessSpec, clock: Clock = SYSTEM_CLOCK) -> None:
    """Start a process and wait until it is ready. Keep one that runs with the same specification.

    Raises:
        LocalProcessError: a port is in use, the disk is full, the process dies at its start or is not ready in time;
            with its last log lines. Nothing of it keeps running.
    """
    try:
        _start(spec, clock)
    except OSError as error:
        raise LocalProcessError(
            f"{spec.name}: {error.filename or spec.folder} cannot be written: {error.strerror}. NovaCron keeps the "
            f"process's files in {spec.run_dir}: make that folder writable"
        ) from error


def _start(spec: ProcessSpec, clock: Clock) -> None:
    if is_alive(spec.folder):
        if _first_state(spec.folder, clock).get("digest") == spec.digest:
            try:
                _await_ready(spec, clock)
            except LocalProcessError:
                stop(spec.folder, clock)
            else:
                return
        else:
            stop(spec.folder, clock)
    for folder in (spec.run_dir, spec.folder, spec.log.parent):
        make_private_folder(folder)
    close_to_others(spec.folder)
    _check_free_space(spec)
    lock = _take_lock(spec.folder, clock)
    try:
        _check_ports(spec)
        supervisor = _launch(spec, lock)
    finally:
        os.close(lock)  # the supervisor has its own copy of the descriptor, and with it the lock
    try:
        _await_ready(spec, clock, supervisor)
    except LocalProcessError:
        stop(spec.folder, clock)
        raise


def _take_lock(folder: Path, clock: Clock) -> int:
    """Take the lock that the supervisor inherits: even if this run is killed, no supervisor ever runs without it."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    deadline = clock.monotonic() + LOCK_WAIT_S
    while not _try_lock(lock):
        if clock.monotonic() > deadline:
            os.close(lock)
            raise LocalProcessError(f"another run is starting {folder.name}; wait until that run has ended")
        clock.sleep(POLL_S)
    return lock


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _first_state(folder: Path, clock: Clock) -> ProcessState:
    """Return the state of a supervisor that is alive. Wait for one that has only just been started."""
    deadline = clock.monotonic() + LOCK_WAIT_S
    while not (state := read_state(folder)) and is_alive(folder) and clock.monotonic() < deadline:
        clock.sleep(POLL_S)
    return state


def _launch(spec: ProcessSpec, lock: int) -> subprocess.Popen[bytes]:
    (spec.folder / STATE_FILE).unlink(missing_ok=True)
    config = spec.folder / "config.json"
    write_private(config, json.dumps(dict(spec.config), indent=1))
    supervisor_spec = spec.folder / SUPERVISOR_FILE
    supervised: SupervisorSpec = {
        "folder": str(spec.folder),
        "command": [sys.executable, "-u", "-m", spec.module, "--config", str(config)],
        "log": str(spec.log),
        "ready_url": spec.ready_url,
        "digest": spec.digest,
        "grace_s": STOP_GRACE_S - 5,
    }
    write_private(supervisor_spec, json.dumps(supervised))
    for_worker = spec.module == read_contract().processes["worker"].module
    with open_private_log(spec.log) as log:
        return subprocess.Popen(
            [sys.executable, "-m", SUPERVISOR, str(supervisor_spec), str(lock)],
            cwd=spec.folder,
            env={**select_variables(os.environ, spec.pass_env, for_worker=for_worker), **spec.secret_env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            start_new_session=True,
            umask=PRIVATE_UMASK,
        )


def _await_ready(spec: ProcessSpec, clock: Clock, supervisor: subprocess.Popen[bytes] | None = None) -> None:
    deadline = clock.monotonic() + spec.ready_timeout_s
    while clock.monotonic() < deadline:
        state = read_state(spec.folder)
        if state.get("status") == "ready":
            return
        dead = supervisor.poll() is not None if supervisor is not None else not is_alive(spec.folder)
        if state.get("status") in ("failed", "stopped") or dead:
            raise LocalProcessError(f"{spec.name} {_describe_end(state)}; {_last_lines(spec.log)}")
        clock.sleep(POLL_S)
    longer = f"raise novacron:environment.{spec.timeout_field} if it needs longer; " if spec.timeout_field else ""
    raise LocalProcessError(
        f"{spec.name} was not ready within {spec.ready_timeout_s:g} s: {spec.ready_url} never returned 200; {longer}"
        f"{_last_lines(spec.log)}"
    )


def _describe_end(state: ProcessState) -> str:
    """Return a phrase that says how a process that never became ready ended."""
    status = state.get("exit_status")
    if state.get("status") == "stopped":
        return "was stopped while it started, by another command or a signal"
    if status is None:
        return "ended at its start: its supervisor was killed"
    if status < 0:
        return f"was killed at its start ({signal.Signals(-status).name})"
    return f"ended at its start (exit status {status})"


def stop(folder: Path, clock: Clock = SYSTEM_CLOCK) -> None:
    """Stop a process and its supervisor, whatever state they are in.

    Raises:
        LocalProcessError: a program that is not the supervisor holds the lock.
    """
    deadline = clock.monotonic() + STOP_GRACE_S
    while (supervisor := find_supervisor(folder)) is not None or is_alive(folder):
        overdue = clock.monotonic() > deadline
        if supervisor is not None:
            try:
                supervisor.send_signal(signal.SIGKILL if overdue else signal.SIGTERM)
            except psutil.NoSuchProcess:
                continue
        elif overdue:
            raise LocalProcessError(
                f"a program holds {folder}/lock but is not the supervisor of {folder.name}; find it with "
                f"`fuser {folder}/lock` and end it"
            )
        clock.sleep(POLL_S)


def remove(folder: Path) -> None:
    """Stop a process and remove its files and its log."""
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


def _check_free_space(spec: ProcessSpec) -> None:
    free = shutil.disk_usage(spec.folder).free
    if free < MINIMUM_FREE_BYTES:
        raise LocalProcessError(
            f"{spec.name}: the disk of {spec.run_dir} has {free} bytes left; its log and state need at least "
            f"{MINIMUM_FREE_BYTES}: free some space"
        )


def _check_ports(spec: ProcessSpec) -> None:
    problems: list[str] = []
    for name, port in spec.ports.items():
        if not can_listen(port):
            holder = describe_holder(port)
            problems.append(
                f"port {port} is in use{holder.description}. {holder.remedy} in novacron:environment.{name}"
            )
    if problems:
        raise LocalProcessError(f"{spec.name}: {'; '.join(problems)}")


def _last_lines(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    except OSError:
        lines = []
    return "\n".join([f"the last lines of {log}:", *(f"    {line}" for line in lines)])
