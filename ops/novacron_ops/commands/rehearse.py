"""`novacron rehearse`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from novacron_ops.console import say, write_lines
from novacron_ops.errors import Exit, OpsError
from novacron_ops.files import check_writable, write_private
from novacron_ops.options import JsonOption, StackOption


def rehearse(
    stack: StackOption = "prod",
    faults: Annotated[str, typer.Option(metavar="FILE|YAML", help="Faults to inject: a YAML file, or YAML text.")] = "",
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Deploy this stack file first, and report what the stack changes and which data is lost.",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as a web page with a topology to this file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy a stack to simulated clouds and report the result.

    The report has the resources of each region, the price, what is slow to create and policy violations. No cloud is
    contacted and nothing real is created. A fault is one of quota, capacity, slow and region_down;
    docs/rehearsals.md describes its fields.

    \b
    Examples:
      novacron rehearse -s prod --html prod.html
      novacron rehearse -s prod --faults faults.yaml
      git show HEAD:Pulumi.prod.yaml > before.yaml && novacron rehearse -s prod --against before.yaml
      novacron rehearse --faults '[{fault: capacity, type: "aws:eks/nodeGroup:*", region: us-east-1, times: 1}]'
    """
    from novacron_infra.config import KubernetesEnvironment, LocalEnvironment
    from novacron_rehearsal import RehearsalError
    from novacron_rehearsal.clouds.faults import parse_faults
    from novacron_rehearsal.display import Display
    from rich.console import Console

    from novacron_ops import rehearsal
    from novacron_ops.environment_plan import load_plan
    from novacron_ops.project import find_stack

    target = find_stack(stack)
    if html is not None:
        check_writable("--html", html)
    try:
        if faults:
            parse_faults(faults)
    except RehearsalError as error:
        raise OpsError(f"--faults: {error}", Exit.BAD_INPUT) from error
    if against is not None and not against.is_file():
        raise OpsError(f"--against: there is no file {against}", Exit.BAD_INPUT)
    planned = load_plan(target, as_json)
    if isinstance(planned, LocalEnvironment):
        raise OpsError(
            f"stack {stack!r} is local: a rehearsal would start its processes on this machine. "
            f"`novacron preview -s {stack}` shows what would change; to rehearse a cloud stack, name one with -s",
            Exit.BAD_INPUT,
        )
    with Display(Console(stderr=True, soft_wrap=True)) as display:
        found = rehearsal.rehearse(target, faults, display, against)
    plan = None if isinstance(planned, KubernetesEnvironment) else planned  # machines of your own have no plan
    report = rehearsal.Report(stack, found, plan)
    if html is not None:
        write_private("--html", html, rehearsal.render_page(report))
    if as_json:
        write_lines([json.dumps(rehearsal.report_values(report), ensure_ascii=False)])
    else:
        write_lines(rehearsal.report_lines(report))
        if html is not None:
            say(f"web page: {html}")
    if not found.succeeded:
        raise OpsError(f"the rehearsal of stack {stack} failed", Exit.FAILED if found.started else Exit.BAD_INPUT)
