"""Wall time and peak memory of preview and up: `make bench-engine`.

The same program and the same provider for the rehearsal engine and, where `pulumi` is on PATH, for the CLI, in one run;
the engine's figures again as a share of the CLI's. Memory is the largest sum over the measured process and all its
children, sampled every 50 ms, without the provider; CPU is theirs too, and says more than wall time on a busy machine.
At the end, a stack of one resource, run inside this process as tests run it.

Sizes other than 50, 500 and 2,000: `python -m tests.bench.engine 50 200`.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
from novacron_rehearsal import Options, Workspace

from tests.rehearsal.conftest import PRELUDE, Simulated, serve

SIZES = (50, 500, 2000)
PASSPHRASE = "bench"

ENGINE = """
import sys
from pathlib import Path
from novacron_rehearsal import Options, Workspace
workspace = Workspace(Path(sys.argv[1]), "bench", passphrase="bench")
result = getattr(workspace, sys.argv[2])(Options(attached_providers={"sim": int(sys.argv[3])}))
sys.exit(0 if result.succeeded else result.errors)
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a command took."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(command: list[str], env: dict[str, str], folder: Path) -> Figures:
    """Run a command; raises `RuntimeError` with its output when it fails."""
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with (folder / "output").open("w+") as output:
        process = subprocess.Popen(command, env=env, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        watched, peak = psutil.Process(process.pid), 0
        while process.poll() is None:
            try:
                family = [watched, *watched.children(recursive=True)]
                peak = max(peak, sum(member.memory_info().rss for member in family))
            except psutil.NoSuchProcess:
                continue
            time.sleep(0.05)
        took = time.perf_counter() - began
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command[:3])} failed:\n{output.read()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figures(took, cpu_s, peak / 2**20)


def project(folder: Path, size: int) -> None:
    """A program of `size` resources: a tenth of them depend on others."""
    (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
    body = (
        f"first = Thing('r0', value=0)\nfor i in range(1, {size}):\n"
        "    Thing(f'r{i}', value=i, needs=first.made if i % 10 == 0 else None)\n"
    )
    (folder / "__main__.py").write_text(PRELUDE + body)


def run(size: int, pulumi: str | None) -> dict[str, list[Figures]]:
    """For each operation the engine's figures, and the CLI's where there is one."""
    figures: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory() as name, serve(Simulated()) as port:
        folder = Path(name)
        project(folder, size)
        env = {**os.environ, "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE}
        for operation in ("preview", "up"):
            figures[operation] = [measure([sys.executable, "-c", ENGINE, name, operation, str(port)], env, folder)]
        if pulumi is not None:
            cli = env | {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
                "PULUMI_BACKEND_URL": f"file://{name}",
                "PULUMI_DEBUG_PROVIDERS": f"sim:{port}",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
            }
            measure([pulumi, "stack", "init", "bench", "--non-interactive"], cli, folder)
            for operation in ("preview", "up"):
                arguments = [operation, "--stack", "bench", "--non-interactive"]
                arguments += ["--yes", "--skip-preview"] if operation == "up" else []
                figures[operation].append(measure([pulumi, *arguments], cli, folder))
    return figures


def one_resource_in_process() -> float:
    """Seconds of `up` of a fresh stack of one resource inside this process, the SDK loaded: the median of five."""
    taken: list[float] = []
    for _ in range(6):
        with tempfile.TemporaryDirectory() as name, serve(Simulated()) as port:
            project(Path(name), 1)
            began = time.perf_counter()
            workspace = Workspace(Path(name), "bench", passphrase=PASSPHRASE)
            result = workspace.up(Options(in_process=True, attached_providers={"sim": port}))
            taken.append(time.perf_counter() - began)
            if not result.succeeded:
                raise RuntimeError(result.errors)
    return median(taken[1:])


def main(sizes: tuple[int, ...]) -> None:
    """Print the table."""
    pulumi = shutil.which("pulumi")
    columns = "".join(
        f" | {who:>6} {'wall s':>8} {'CPU s':>8} {'MiB':>6}" for who in ("engine", "CLI")[: 1 + bool(pulumi)]
    )
    sys.stdout.write(f"{'resources':>9} {'':<8}{columns}{' | engine / CLI: wall, CPU, MiB' if pulumi else ''}\n")
    for size in sizes:
        for operation, figures in run(size, pulumi).items():
            row = "".join(f" | {'':>6} {f.wall_s:>8.2f} {f.cpu_s:>8.2f} {f.peak_mib:>6.0f}" for f in figures)
            if pulumi:
                ours, theirs = figures
                row += f" | {ours.wall_s / theirs.wall_s:>20.2f} {ours.cpu_s / theirs.cpu_s:>4.2f}"
                row += f" {ours.peak_mib / theirs.peak_mib:>4.2f}"
            sys.stdout.write(f"{size:>9} {operation:<8}{row}\n")
            sys.stdout.flush()
    sys.stdout.write(f"one resource, in process: up in {one_resource_in_process():.3f} s\n")
    if pulumi is None:
        sys.stdout.write("the Pulumi CLI is not on PATH: the engine alone was measured\n")


if __name__ == "__main__":
    main(tuple(int(argument) for argument in sys.argv[1:]) or SIZES)
