"""`novacron logs`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from novacron_infra.clock import SYSTEM_CLOCK, Clock

from novacron_ops.console import say
from novacron_ops.errors import Exit, OpsError
from novacron_ops.options import StackOption

POLL_S = 0.3


def logs(
    stack: StackOption = "local",
    service: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show this process only, for example worker-0.")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Lines to show of each log.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines until Ctrl-C.")] = False,
) -> None:
    """Show the last log lines of a local stack's processes.

    \b
    Examples:
      novacron logs
      novacron logs --service worker-0 -n 100 -f
    """
    from novacron_ops.project import find_stack

    target = find_stack(stack)
    if target.is_cloud():
        raise OpsError(
            f"stack {stack} has no processes on this machine; read the logs of its pods: "
            "kubectl logs --namespace novacron-llm --selector app.kubernetes.io/part-of=novacron --prefix"
        )
    folder = target.run_dir / "logs"
    files = sorted(folder.glob("*.log"))
    if not files:
        say(f"stack {stack} has no logs: it is not deployed; `novacron up -s {stack}` deploys it")
        raise typer.Exit(Exit.FAILED)
    if service is not None:
        known = ", ".join(file.stem for file in files)
        files = [file for file in files if file.stem == service]
        if not files:
            raise OpsError(f"--service {service}: there is no such log; there are: {known}", Exit.BAD_INPUT)
    positions = {file: file.stat().st_size for file in files}
    for file in files:
        _print_log(file.stem, file.read_text(errors="replace").splitlines()[-lines:])
    if follow:
        follow_logs(positions, SYSTEM_CLOCK)


def follow_logs(positions: dict[Path, int], clock: Clock) -> None:
    """Print what is appended to the files until all of them are gone.

    Args:
        positions: each file and the byte after the last one that was printed.
        clock: waits between two looks at the files.
    """
    while positions:
        clock.sleep(POLL_S)
        for file, position in list(positions.items()):
            try:
                with file.open("rb") as handle:
                    # A log that is shorter than before was rotated.
                    handle.seek(position if file.stat().st_size >= position else 0)
                    _print_log(file.stem, handle.read().decode(errors="replace").splitlines())
                    positions[file] = handle.tell()
            except FileNotFoundError:
                del positions[file]


def _print_log(name: str, lines: Iterable[str]) -> None:
    for line in lines:
        print(f"{name:<12} {line}", flush=True)  # noqa: T201
