"""`novacron status`."""

from __future__ import annotations

import json

import typer

from novacron_ops.console import console, say, write_lines
from novacron_ops.errors import Exit
from novacron_ops.options import Engine, EngineOption, JsonOption, StackOption

ANSWER_TIMEOUT_S = 2.0
"""For each request to the coordinator."""


def status(stack: StackOption = "local", engine: EngineOption = Engine.AUTO, as_json: JsonOption = False) -> None:
    """Show the processes or pods, the endpoint and the health of a stack.

    The exit status is 1 if the stack is not deployed or anything is wrong with it.

    \b
    Examples:
      novacron status
      novacron status -s trial --json
    """
    import httpx

    from novacron_ops import coordinator, local_processes
    from novacron_ops.backends import open_backend, read_secret_output
    from novacron_ops.project import find_stack
    from novacron_ops.stack_clusters import read_cluster_reports
    from novacron_ops.stack_status import StackStatus, is_inside_cluster

    target = find_stack(stack)
    backend = open_backend(engine, target, console)
    outputs = backend.outputs()
    endpoint = outputs.get("endpoint")
    report = None
    if isinstance(endpoint, str) and not is_inside_cluster(endpoint):
        key = read_secret_output(backend, "admin_key") if "admin_key" in outputs else None
        with httpx.Client(timeout=ANSWER_TIMEOUT_S) as client:
            report = coordinator.ask_coordinator(endpoint, key, client)
    found = StackStatus(
        stack=stack,
        is_local=target.is_local(),
        outputs=outputs,
        services=local_processes.list_services(target.run_dir),
        coordinator=report,
        clusters=read_cluster_reports(backend) if target.is_cloud() else (),
    )
    if as_json:
        write_lines([json.dumps(found.values())])
    else:
        write_lines(found.lines())
        if (target.run_dir / "logs").is_dir():
            say(f"logs: {target.run_dir / 'logs'}")
    if found.problems():
        raise typer.Exit(Exit.FAILED)
