"""Wall time and peak memory of preview and up: `make bench-engine`.

Measures the rehearsal engine and, if `pulumi` is on PATH, the CLI, with the same program and provider, and prints the
engine's figures as a fraction of the CLI's. Memory is the peak sum over the measured process and its children, sampled
every 50 ms, without the provider. CPU time is more reliable than wall time on a busy machine. The last row is a stack
of one resource that runs inside this process, as in tests.

Other sizes than 50, 500 and 2,000: `python -m tests.bench.engine 50 200`.
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
    """Time and memory of a command."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(command: list[str], env: dict[str, str], folder: Path) -> Figures:
    """Run a command and measure it. Raise `RuntimeError` with its output if it fails."""
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


def write_project(folder: Path, size: int) -> None:
    """Write a program of `size` resources. A tenth of them depend on others."""
    (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
    body = (
        f"first = Thing('r0', value=0)\nfor i in range(1, {size}):\n"
        "    Thing(f'r{i}', value=i, needs=first.made if i % 10 == 0 else None)\n"
    )
    (folder / "__main__.py").write_text(PRELUDE + body)


def run(size: int, pulumi: str | None) -> dict[str, list[Figures]]:
    """Return the engine's figures of each operation, followed by the CLI's if there is a CLI."""
    figures: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory() as name, serve(Simulated()) as port:
        folder = Path(name)
        write_project(folder, size)
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


def time_one_resource_in_process() -> float:
    """Return the median seconds of five `up` of a new stack of one resource inside this process."""
    taken: list[float] = []
    for _ in range(6):
        with tempfile.TemporaryDirectory() as name, serve(Simulated()) as port:
            write_project(Path(name), 1)
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
        f" | {engine:>6} {'wall s':>8} {'CPU s':>8} {'MiB':>6}" for engine in ("engine", "CLI")[: 1 + bool(pulumi)]
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
    sys.stdout.write(f"one resource, in process: up in {time_one_resource_in_process():.3f} s\n")
    if pulumi is None:
        sys.stdout.write("the Pulumi CLI is not on PATH: only the engine was measured\n")


if __name__ == "__main__":
    main(tuple(int(argument) for argument in sys.argv[1:]) or SIZES)
