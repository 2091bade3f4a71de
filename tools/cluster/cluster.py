"""A cluster by its name: start it, run things in it, stop it without a trace."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tools.cluster import node, running
from tools.cluster.binaries import (
    CONTROL_PLANE,
    NODE,
    SIMULATED_NODES,
    ClusterError,
    UnsupportedMachineError,
    build,
    check_programs,
    report,
)
from tools.cluster.init import PRIVATE_FOLDERS, READY
from tools.cluster.processes import TIED_TO_PARENT, kubectl

_CONTROL_GROUPS_S = 10.0
ROOT = Path(__file__).parents[2]
_PROGRAMS = {
    "runc": "runc",
    "iptables": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
    "nft": "nftables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
"""Programs that a node needs, each with its Debian package."""


class Cluster:
    """A cluster by its name."""

    def __init__(self, name: str, base: Path = ROOT / ".novacron" / "clusters") -> None:
        self.name = name
        self.folder = base / name
        self._pid_file = self.folder / "pid"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig. It works on this machine, and inside the node."""
        return self.folder / "admin.kubeconfig"

    def program(self, name: str) -> Path:
        """Return the path of one of the running cluster's programs."""
        return Path(self._read_start()["programs"][name])

    def published_ports(self) -> tuple[int, ...]:
        """Return the ports of the running node that are reachable at 127.0.0.1."""
        start = self._read_start()
        return tuple(port for _, port in start["relays"] if port != start["api_port"])

    def pid(self) -> int | None:
        """Return the pid of the cluster's first process, None if it does not run."""
        with suppress(OSError, ValueError):
            pid, started = map(int, self._pid_file.read_text().split())
            if _start_time(pid) == started:
                return pid
        return None

    def up(
        self,
        nodes: list[dict[str, object]] | None,
        published: tuple[int, ...] = (),
        *,
        end_with_this_process: bool = False,
    ) -> None:
        """Start the cluster and wait until it is ready.

        Traces of clusters that were killed are removed first.

        Args:
            nodes: simulated Node objects; None for a real node.
            published: ports of the real node to reach at 127.0.0.1.
            end_with_this_process: whether the cluster ends when this process does, however it ends.

        Raises:
            ClusterError: it runs already, something is missing, or it did not become ready.
        """
        if self.pid() is not None:
            raise ClusterError(f"cluster {self.name!r} is running; its kubeconfig is {self.kubeconfig}")
        if nodes is None:
            check_node_requirements()
        programs = build(CONTROL_PLANE + (NODE if nodes is None else SIMULATED_NODES))
        try:
            with running.lock():
                _remove_killed()
                self.remove_traces()
                running.add(self._group, self.folder)
                process = self._start(nodes, programs, published, end_with_this_process=end_with_this_process)
            self._follow(process)
        except BaseException:
            self.down()
            raise

    def _start(
        self,
        nodes: list[dict[str, object]] | None,
        programs: dict[str, Path],
        published: tuple[int, ...],
        *,
        end_with_this_process: bool,
    ) -> subprocess.Popen[str]:
        (self.folder / "logs").mkdir(mode=0o700, parents=True)
        sockets = [_listen(port) for port in (0, *published)]
        api_port = int(sockets[0].getsockname()[1])
        relays = [(one.fileno(), one.getsockname()[1]) for one in sockets]
        if nodes is not None:
            sockets[0].close()
        start = {
            "programs": {name: str(path) for name, path in programs.items()},
            "simulated_nodes": nodes,
            "api_port": api_port,
            "etcd_ports": (2379, 2380) if nodes is None else (_free_port(), _free_port()),
            "relays": relays,
        }
        (self.folder / "start.json").write_text(json.dumps(start))
        command = [sys.executable, "-m", "tools.cluster.init", str(self.folder)]
        if nodes is None:
            running.create_folders(PRIVATE_FOLDERS)
            _create_control_groups(self._group)
            command = [*node.NAMESPACES, *command]
        if end_with_this_process:
            command = [*TIED_TO_PARENT, *command]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            pass_fds=[descriptor for descriptor, _ in relays] if nodes is None else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for one in sockets:
            one.close()
        with suppress(ProcessLookupError):  # it has ended, and `_follow` says why
            self._pid_file.write_text(f"{process.pid} {_start_time(process.pid)}")
        return process

    def _follow(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        for line in process.stderr:
            if line.strip() == READY:
                return
            report(line.rstrip())
        raise ClusterError(f"cluster {self.name!r} has not started; its logs are in {self.folder / 'logs'}")

    def down(self) -> bool:
        """Stop the cluster and remove everything that it made. Returns whether it was running."""
        pid = self.pid()
        if pid is not None:
            # A node's first process takes its whole namespace with it.
            os.kill(pid, signal.SIGTERM if self._is_simulated() else signal.SIGKILL)
            _wait_for_end(pid)
        with running.lock():
            self.remove_traces(keep_logs=True)
            running.remove(self._group)
        return pid is not None

    @property
    def _group(self) -> str:
        return node.cgroup_name(self.folder)

    def _is_simulated(self) -> bool:
        return self._read_start()["simulated_nodes"] is not None

    def _read_start(self) -> dict[str, Any]:
        """Return the settings that the cluster was started with."""
        return json.loads((self.folder / "start.json").read_text())

    def remove_traces(self, *, keep_logs: bool = False) -> None:
        """Remove what a cluster that has ended has made."""
        _remove_control_groups(self._group)
        if self.folder.exists():
            for path in self.folder.iterdir():
                if not (keep_logs and path.name == "logs"):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def run(self, *command: str, check: bool = True, **options: object) -> subprocess.CompletedProcess[bytes]:
        """Run a command in the namespaces of a real node."""
        pid = self.pid()
        if pid is None:
            raise ClusterError(f"cluster {self.name!r} is not running")
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        inside = ["nsenter", "--target", child, "--net", "--mount", "--pid", "--", *command]
        return subprocess.run(inside, check=check, **options)  # type: ignore[call-overload]

    def kubectl(self, *arguments: str, given: object = None, check: bool = True) -> str:
        """Run kubectl as the administrator, with an object as input. Returns what it prints.

        Raises:
            ClusterError: kubectl fails, and `check` is true.
        """
        return kubectl(self.program("kubectl"), self.kubeconfig, *arguments, given=given, check=check).stdout

    def get(self, *arguments: str) -> Any:
        """Return an object of the cluster's API."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def load(self, archive: IO[bytes]) -> None:
        """Import an archive's images into a real node.

        Args:
            archive: an image archive of OCI or Docker. It may be a pipe.

        Raises:
            ClusterError: the cluster does not run, or the archive has no image.
        """
        command = (str(self.program("ctr")), "-a", node.CONTAINERD, "-n", "k8s.io", "images", "import", "-")
        done = self.run(*command, check=False, stdin=archive, capture_output=True)
        if done.returncode:
            raise ClusterError(f"the image cannot be imported: {done.stderr.decode().strip()}")


def check_node_requirements() -> None:
    """Check that this machine can run a real node. Raises `UnsupportedMachineError`, which names what is missing."""
    if os.geteuid() != 0:
        raise UnsupportedMachineError("a real node needs root; run it as root, or use simulated nodes")
    check_programs(_PROGRAMS, "a real node needs")
    node.check_kernel()


def _remove_killed() -> None:
    """Remove the traces of clusters whose first process has ended without `down`."""
    for group, folder in running.read().items():
        killed = Cluster(folder.name, folder.parent)
        if killed.pid() is not None:
            continue
        if (folder / "start.json").exists():
            report(f"removing what cluster {killed.name!r}, which was killed, has left in {folder}")
            killed.remove_traces(keep_logs=True)
        _remove_control_groups(group)
        running.remove(group)


def _control_groups(name: str) -> list[Path]:
    base = Path("/sys/fs/cgroup")
    if (base / "cgroup.controllers").exists():
        return [base / name]
    return [controller / name for controller in base.iterdir() if controller.is_dir() and not controller.is_symlink()]


def _create_control_groups(name: str) -> None:
    for group in _control_groups(name):
        with suppress(OSError):  # not every folder is a hierarchy
            group.mkdir(exist_ok=True)
            if group.parent.name == "cpuset":
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (group / file).write_text((group.parent / file).read_text())


def _remove_control_groups(name: str) -> None:
    """Remove the pods' control groups, which are busy until the last of their processes has ended."""
    deadline = time.monotonic() + _CONTROL_GROUPS_S
    while left := [group for group in _control_groups(name) if group.is_dir()]:
        for group in left:
            for below in (*sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True), group):
                with suppress(OSError):
                    below.rmdir()
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        raise ClusterError(f"port {port} of 127.0.0.1 cannot be used: {error.strerror}; choose another") from error
    listening.listen(128)
    return listening


def _free_port() -> int:
    with _listen(0) as listening:
        return int(listening.getsockname()[1])


def _start_time(pid: int) -> int:
    """Return when a process started, in ticks of the kernel's clock. Raises `OSError` if it has ended."""
    state, *fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    if state in "ZX":
        raise ProcessLookupError(pid)
    return int(fields[18])


def _wait_for_end(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    select.select([descriptor], [], [], 30)
    os.close(descriptor)
