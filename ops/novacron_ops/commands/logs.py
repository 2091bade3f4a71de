"""`novacron logs`."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from novacron_infra.clock import SYSTEM_CLOCK, Clock

from novacron_ops.console import console, say
from novacron_ops.errors import Exit, OpsError
from novacron_ops.options import Engine, EngineOption, StackOption

if TYPE_CHECKING:
    from novacron_ops.project import ProjectStack

POLL_S = 0.3


def logs(
    stack: StackOption = "local",
    service: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Show this process only, for example worker-0. In clusters: coordinator, worker, or a pod's name.",
        ),
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Lines to show of each log.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines until Ctrl-C.")] = False,
    engine: EngineOption = Engine.AUTO,
) -> None:
    """Show the last log lines of a stack's processes or pods.

    Logs of pods come from the API servers of the stack's clusters, which this machine must reach.

    \b
    Examples:
      novacron logs
      novacron logs --service worker-0 -n 100 -f
      novacron logs -s trial --service coordinator -f
    """
    from novacron_ops.project import find_stack

    target = find_stack(stack)
    if target.is_cloud():
        _show_pods(target, engine, service, lines, follow)
        return
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


def _show_pods(stack: ProjectStack, engine: Engine, service: str | None, lines: int, follow: bool) -> None:
    from novacron_ops.backends import open_backend
    from novacron_ops.clusters import LogReader
    from novacron_ops.stack_clusters import require_workloads

    clusters = require_workloads(stack, open_backend(engine, stack, console))
    readers = [
        LogReader(cluster, service, partial(_print_line, f"{cluster.name}/" if len(clusters) > 1 else ""))
        for cluster in clusters
    ]
    if not sum([reader.print_last(lines) for reader in readers]):
        known = ", ".join(dict.fromkeys(name for reader in readers for name in reader.list_names()))
        if service is not None and known:
            raise OpsError(f"--service {service}: there is no such pod; there are: {known}", Exit.BAD_INPUT)
        raise OpsError(f"stack {stack.name} has no pods; `novacron status -s {stack.name}` says why")
    if follow:
        others = [threading.Thread(target=reader.follow, daemon=True) for reader in readers[1:]]
        for thread in others:
            thread.start()
        readers[0].follow()
        for thread in others:
            thread.join()


def _print_line(prefix: str, name: str, line: str) -> None:
    _print_log(f"{prefix}{name}", [line])


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
