"""Starting, adopting, watching and stopping supervised processes. Knows files, ports and signals, not Pulumi.

A run folder holds a folder for each service (`spec.json`, `config.json`, `state.json`, `lock`) and `logs/`. Whoever
holds a service's lock owns the service: first the one who starts it, then its supervisor.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from novacron_infra.local.errors import PortInUseError, ProcessFailedError, RunFolderError
from novacron_infra.local.supervisor import Spec, State, write_atomically

HOST = "127.0.0.1"
SUPERVISOR_MODULE = "novacron_infra.local.supervisor"
LAST_LOG_LINES = 20
POLL_S = 0.05
SUPERVISOR_START_S = 15.0
LOGS_FOLDER = "logs"


@dataclass(frozen=True)
class Port:
    """A port that a process listens on, and the field of the configuration that says so."""

    number: int
    field: str


@dataclass(frozen=True)
class ServiceSpec:
    """One process: what it runs, with what, and how to see that it is ready."""

    service: str
    run_dir: Path
    command: Sequence[str]
    """`{config}` stands for the path of the configuration file."""
    config: Mapping[str, Any]
    """Written as JSON; holds no secret."""
    ports: Sequence[Port]
    ready_url_port: int
    ready_path: str
    ready_timeout_s: float
    stop_grace_s: float
    fingerprint: str = ""
    """Of what the process reads besides: its code, its model."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """Secrets. Neither written to a file nor shown."""

    @property
    def folder(self) -> Path:
        """Of this service."""
        return self.run_dir / self.service

    @property
    def log(self) -> Path:
        """Where the process and its supervisor write."""
        return log_path(self.run_dir, self.service)

    def digest(self) -> str:
        """Two services with the same digest are the same; secrets count, timeouts do not."""
        content = [
            list(self.command),
            dict(self.config),
            [asdict(port) for port in self.ports],
            self.fingerprint,
            dict(self.environment),
            sys.executable,
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class Running:
    """A service whose supervisor is alive."""

    state: State
    run_dir: Path

    @property
    def instance(self) -> str:
        """Different for each start by the platform; a restart by the supervisor keeps it."""
        return self.state.instance


def log_path(run_dir: Path, service: str) -> Path:
    """Where a service's log is."""
    return run_dir / LOGS_FOLDER / f"{service}.log"


def ensure_running(spec: ServiceSpec) -> Running:
    """Adopt the service if it runs as specified, else stop what runs and start it; wait until it is ready.

    Raises:
        PortInUseError: another program has one of the ports.
        ProcessFailedError: it died at start or was not ready in time. It is stopped.
        RunFolderError: the run folder cannot be used.
    """
    digest = spec.digest()
    found = find(spec.run_dir, spec.service, wait_s=SUPERVISOR_START_S)
    if found is not None and found.state.digest == digest and found.state.phase == "running":
        try:
            return _wait_ready(spec, found)
        except ProcessFailedError:
            pass  # what a killed run has left is no reason to fail: start it anew
    stop(spec.run_dir, spec.service, spec.stop_grace_s)
    lock = _take_lock(spec.run_dir, spec.service)
    try:
        _end_stray_process(spec.folder)
        check_ports(spec.ports)
        started = _start(spec, digest, lock)
    finally:
        os.close(lock)  # the supervisor has its own copy
    try:
        return _wait_ready(spec, started)
    except ProcessFailedError:
        stop(spec.run_dir, spec.service, 1.0)
        raise


def find(run_dir: Path, service: str, *, wait_s: float = 0.0) -> Running | None:
    """The running service, or None. Waits up to `wait_s` for one that is just being started."""
    deadline = time.monotonic() + wait_s
    while True:
        if not _is_locked(run_dir, service):
            return None
        state = read_state(run_dir, service)
        if state is not None and _is_supervisor(state.supervisor_pid, run_dir / service):
            return Running(state, run_dir)
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL_S)


def read_state(run_dir: Path, service: str) -> State | None:
    """What the supervisor last wrote, even if it is gone."""
    try:
        return State(**json.loads((run_dir / service / "state.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def services(run_dir: Path) -> list[str]:
    """Names of all services that have a folder in the run folder."""
    if not run_dir.is_dir():
        return []
    return sorted(path.parent.name for path in run_dir.glob("*/lock"))


def stop(run_dir: Path, service: str, grace_s: float) -> bool:
    """Stop a service, if it runs. True when there was something to stop.

    Raises:
        RunFolderError: something holds the service's lock and cannot be found or does not end.
    """
    found = find(run_dir, service, wait_s=SUPERVISOR_START_S)
    if found is None:
        return _end_stray_process(run_dir / service)
    pid = found.state.supervisor_pid
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if not _await_unlocked(run_dir, service, grace_s + 5.0):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if not _await_unlocked(run_dir, service, 5.0):
            raise RunFolderError(run_dir, f"{service} (supervisor process {pid}) does not end; stop it by hand")
    _end_stray_process(run_dir / service)
    return True


def remove(run_dir: Path, service: str, grace_s: float) -> None:
    """Stop a service and remove its folder. The log stays."""
    stop(run_dir, service, grace_s)
    shutil.rmtree(run_dir / service, ignore_errors=True)


def remove_all(run_dir: Path, grace_s: float = 10.0) -> list[str]:
    """Stop whatever runs in the run folder and remove it with its logs. Names of what was still there."""
    left = services(run_dir)
    for service in left:
        remove(run_dir, service, grace_s)
    if run_dir.is_dir():
        shutil.rmtree(run_dir)
    return left


def last_log_lines(run_dir: Path, service: str, count: int = LAST_LOG_LINES) -> list[str]:
    """The end of a service's log."""
    try:
        with log_path(run_dir, service).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64 * 1024))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        return []


def answers(port: int, path: str, timeout_s: float = 2.0) -> bool:
    """Whether a GET on this machine is answered with 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def check_ports(ports: Sequence[Port]) -> None:
    """Raise PortInUseError for the first port that cannot be listened on."""
    for port in ports:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port.number))
                probe.listen(1)
            except OSError as error:
                raise PortInUseError(port.number, port.field, _holder(port.number), error.strerror or "") from error


def _holder(number: int) -> str:
    """Who listens on a port, in words."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.laddr and connection.laddr[1] == number and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    break
                command = " ".join(psutil.Process(connection.pid).cmdline())[:120]
                return f"process {connection.pid} ({command})"
    return "a process that this user may not see"


def _start(spec: ServiceSpec, digest: str, lock: int) -> Running:
    folder = spec.folder
    config = folder / "config.json"
    instance = uuid.uuid4().hex[:12]
    command = [part.replace("{config}", str(config)) for part in spec.command]
    supervised = Spec(spec.service, command, str(folder), str(spec.log), digest, instance, spec.stop_grace_s)
    try:
        (folder / "state.json").unlink(missing_ok=True)
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(config, dict(spec.config))
        write_atomically(folder / "spec.json", asdict(supervised))
    except OSError as error:
        raise RunFolderError(spec.run_dir, f"cannot be written: {error}") from error
    # The lock's descriptor is inherited: from here on it is the supervisor's.
    process = subprocess.Popen(
        [sys.executable, "-m", SUPERVISOR_MODULE, str(folder / "spec.json")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={**_clean_environment(), **spec.environment},
        pass_fds=(lock,),
        start_new_session=True,
    )
    deadline = time.monotonic() + SUPERVISOR_START_S
    while time.monotonic() < deadline:
        state = read_state(spec.run_dir, spec.service)
        if state is not None and state.instance == instance:
            return Running(state, spec.run_dir)
        if process.poll() is not None:
            break
        time.sleep(POLL_S)
    process.kill()
    process.wait()
    raise ProcessFailedError(
        spec.service, "its supervisor did not start", spec.log, last_log_lines(spec.run_dir, spec.service)
    )


def _clean_environment() -> dict[str, str]:
    """Ours, without what belongs to the deployment alone, its passphrase above all."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "NOVACRON_"))}


def _wait_ready(spec: ServiceSpec, running: Running) -> Running:
    restarts = running.state.restarts
    deadline = time.monotonic() + spec.ready_timeout_s
    while True:
        current = find(spec.run_dir, spec.service)
        if current is None or current.state.restarts > restarts:
            reason = current.state.message if current is not None else "its supervisor ended"
            raise _failed(spec, f"died at start: {reason}")
        if answers(spec.ready_url_port, spec.ready_path):
            return current
        if time.monotonic() > deadline:
            raise _failed(
                spec,
                f"http://{HOST}:{spec.ready_url_port}{spec.ready_path} did not answer 200 within "
                f"{spec.ready_timeout_s:.0f} s (local.ready_timeout_s)",
            )
        time.sleep(POLL_S * 2)


def _failed(spec: ServiceSpec, reason: str) -> ProcessFailedError:
    return ProcessFailedError(spec.service, reason, spec.log, last_log_lines(spec.run_dir, spec.service))


def _open_lock(run_dir: Path, service: str, *, create: bool) -> int | None:
    path = run_dir / service / "lock"
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(run_dir, f"cannot be used: {error}") from error


def _is_locked(run_dir: Path, service: str) -> bool:
    descriptor = _open_lock(run_dir, service, create=False)
    if descriptor is None:
        return False
    try:
        # A shared lock: two who look at the same time do not take each other for an owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _await_unlocked(run_dir: Path, service: str, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while _is_locked(run_dir, service):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _take_lock(run_dir: Path, service: str) -> int:
    descriptor = _open_lock(run_dir, service, create=True)
    if descriptor is None:
        raise RunFolderError(run_dir, "vanished while the service was started")
    deadline = time.monotonic() + SUPERVISOR_START_S
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            os.close(descriptor)
            raise RunFolderError(run_dir, f"{service} is being started by another run; wait for it to end")
        time.sleep(POLL_S)
    return descriptor


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_supervisor(pid: int, folder: Path) -> bool:
    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return SUPERVISOR_MODULE in command and str(folder / "spec.json") in command


def _end_stray_process(folder: Path) -> bool:
    """End a process whose supervisor was killed, where the operating system has not done so already."""
    state = read_state(folder.parent, folder.name)
    (folder / "state.json").unlink(missing_ok=True)
    if state is None or state.pid is None:
        return False
    try:
        process = psutil.Process(state.pid)
        if process.cmdline() != state.command:
            return False
        process.kill()
        process.wait(5.0)
    except psutil.Error:
        return False
    return True
