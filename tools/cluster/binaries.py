"""The programs of a cluster: built once from pinned Go modules, and kept outside the checkout by version."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CANNOT_BUILD_HERE = ("dial tcp", "TLS handshake timeout", "GOPROXY=off", "requires go >=")
"""Parts of Go's messages about a module proxy that does not answer, and about a Go that is too old."""
HERE = Path(__file__).parent
MODULES = HERE / "modules"
KUBERNETES = "1.36.3"
_VERSION = "k8s.io/component-base/version"
_KUBERNETES_FLAGS = (
    f"-X {_VERSION}.gitVersion=v{KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor={KUBERNETES.split('.')[1]}"
)


class ClusterError(Exception):
    """A cluster cannot be started or used; the message says why and what to do."""


class UnsupportedMachineError(ClusterError):
    """This machine lacks a program, a right, a kernel feature or a connection that a cluster needs."""


def report(message: str) -> None:
    """Write a line of progress."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


@dataclass(frozen=True, slots=True)
class Program:
    """A program of a Go module."""

    name: str
    module: str
    """Folder of `modules/` whose go.mod pins the version."""
    package: str
    flags: str = ""
    """More flags for the linker."""
    tags: str = ""
    kept: str = ""
    """A folder of the module that is kept with the program."""

    @property
    def path(self) -> Path:
        """Where the built program is kept: a folder for each version."""
        digest = hashlib.sha256()
        for file in sorted((MODULES / self.module).iterdir()):
            digest.update(file.read_bytes())
        digest.update(f"{self.package} {self.flags} {self.tags}{self.kept}".encode())
        return cache_folder() / f"{self.module}-{digest.hexdigest()[:12]}" / self.name


_CONTAINERD = "github.com/containerd/containerd/v2/cmd"
CONTROL_PLANE = (
    Program("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    *(
        Program(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", _KUBERNETES_FLAGS)
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    ),
)
SIMULATED_NODES = (Program("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", kept="kustomize/stage"),)
NODE = (
    *(
        Program(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", _KUBERNETES_FLAGS)
        for name in ("kubelet", "kube-proxy")
    ),
    *(
        Program(name, "containerd", f"{_CONTAINERD}/{name}", tags="no_btrfs,no_zfs")
        for name in ("containerd", "containerd-shim-runc-v2", "ctr")
    ),
    Program("coredns", "coredns", "github.com/coredns/coredns"),
    Program("kube-router", "kube-router", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"),
    Program("pause", "../pause", "."),
)
CERT_MANAGER = Program("cert-manager", "cert-manager", ".")
LEADER_WORKER_SET = Program("leader-worker-set", "lws", "sigs.k8s.io/lws/cmd")
CONTROLLERS = (CERT_MANAGER, LEADER_WORKER_SET)
"""Controllers of add-ons, in the versions of the charts that this project installs as far as a proxy serves them."""
KEDA = tuple(
    Program(f"keda-{name}", "keda", f"github.com/kedacore/keda/v2/cmd/{name}") for name in ("operator", "adapter")
)
"""They take three times as long to build as the other controllers: KEDA has the libraries of every source of load."""


def cache_folder() -> Path:
    """Return the folder that keeps built programs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base) / "novacron" / "cluster"


@contextmanager
def lock(name: str) -> Generator[None]:
    """Hold the lock of this name, which no other process holds meanwhile."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check_programs(programs: Mapping[str, str], need: str) -> None:
    """Check that programs are on PATH.

    Args:
        programs: Debian package of each program by name.
        need: beginning of the error, such as `a real node needs`.

    Raises:
        UnsupportedMachineError: one is missing; the message names the packages to install.
    """
    missing = sorted({package for program, package in programs.items() if shutil.which(program) is None})
    if missing:
        raise UnsupportedMachineError(f"{need} more programs: apt-get install {' '.join(missing)}")


def build(programs: tuple[Program, ...]) -> dict[str, Path]:
    """Build the programs that are missing, one after the other, and say so.

    Returns:
        The path of each program by name.

    Raises:
        ClusterError: Go is missing, or a build fails.
    """
    with lock("programs"):
        missing = [program for program in programs if not program.path.exists()]
        for index, program in enumerate(missing, 1):
            report(f"building {program.name} ({index} of {len(missing)})")
            started = time.monotonic()
            _build(program)
            report(f"built {program.name} in {time.monotonic() - started:.0f} s")
    return {program.name: program.path for program in programs}


def _build(program: Program) -> None:
    go = shutil.which("go")
    if go is None:
        raise UnsupportedMachineError(
            "go is not on PATH; install Go 1.26 or later, which builds the programs of the cluster"
        )
    folder = program.path.parent
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{program.name}"
    command = [go, "build", "-mod=readonly", "-trimpath", "-ldflags", f"-s -w {program.flags}".strip()]
    command += ["-tags", program.tags] if program.tags else []
    _run_go(program, *command, "-o", str(unfinished), program.package)
    if program.kept:
        module = _run_go(program, go, "list", "-f", "{{.Module.Dir}}", program.package).strip()
        shutil.copytree(Path(module, program.kept), folder / program.kept, dirs_exist_ok=True)
    unfinished.rename(program.path)


def _run_go(program: Program, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=MODULES / program.module,
        env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    message = done.stderr.strip()[-2000:]
    if any(sign in message for sign in _CANNOT_BUILD_HERE):
        raise UnsupportedMachineError(f"{program.name} cannot be built on this machine: {message.splitlines()[-1]}")
    raise ClusterError(f"{program.name} cannot be built:\n{message}")
