"""Wall time and peak memory of preview and up: `make bench-engine`.

The same program and the same provider for the rehearsal engine and, where `pulumi` is on PATH, for the CLI, in one run.
Memory is the largest sum over the measured process and all its children, sampled every 50 ms, without the provider.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

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


def measure(command: list[str], env: dict[str, str], folder: Path) -> tuple[float, float]:
    """Seconds and MiB of a command; raises `RuntimeError` with its output when it fails."""
    began = time.perf_counter()
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
    return took, peak / 2**20


def project(folder: Path, size: int) -> None:
    """A program of `size` resources: a tenth of them depend on others."""
    (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
    body = (
        f"first = Thing('r0', value=0)\nfor i in range(1, {size}):\n"
        "    Thing(f'r{i}', value=i, needs=first.made if i % 10 == 0 else None)\n"
    )
    (folder / "__main__.py").write_text(PRELUDE + body)


def run(size: int, pulumi: str | None) -> list[tuple[str, str, float, float]]:
    """Every measurement for one size: (who, operation, seconds, MiB)."""
    rows: list[tuple[str, str, float, float]] = []
    with tempfile.TemporaryDirectory() as name, serve(Simulated()) as port:
        folder = Path(name)
        project(folder, size)
        env = {**os.environ, "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE}
        for operation in ("preview", "up"):
            took, peak = measure([sys.executable, "-c", ENGINE, name, operation, str(port)], env, folder)
            rows.append(("engine", operation, took, peak))
        if pulumi is not None:
            cli = env | {
                "PULUMI_BACKEND_URL": f"file://{name}",
                "PULUMI_DEBUG_PROVIDERS": f"sim:{port}",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
            }
            measure([pulumi, "stack", "init", "bench", "--non-interactive"], cli, folder)
            for operation in ("preview", "up"):
                arguments = [operation, "--stack", "bench", "--non-interactive"]
                arguments += ["--yes", "--skip-preview"] if operation == "up" else []
                took, peak = measure([pulumi, *arguments], cli, folder)
                rows.append(("cli", operation, took, peak))
    return rows


def main() -> None:
    """Print the table."""
    pulumi = shutil.which("pulumi")
    sys.stdout.write(f"{'resources':>9}  {'who':<7} {'what':<8} {'s':>7} {'MiB':>6}\n")
    for size in SIZES:
        for who, operation, took, peak in run(size, pulumi):
            sys.stdout.write(f"{size:>9}  {who:<7} {operation:<8} {took:>7.2f} {peak:>6.0f}\n")
            sys.stdout.flush()
    if pulumi is None:
        sys.stdout.write("the Pulumi CLI is not on PATH: the engine alone was measured\n")


if __name__ == "__main__":
    main()
