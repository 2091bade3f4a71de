"""`novacron render`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from novacron_ops.console import console, write_lines
from novacron_ops.errors import Exit, OpsError
from novacron_ops.options import Engine, EngineOption, JsonOption, Layout

if TYPE_CHECKING:
    from novacron_ops.project import ProjectStack
    from novacron_ops.rendering import ClusterObjects, Written

_MOST_NAMES = 5
"""Resources that a line of text lists."""


def render(
    stack: Annotated[str, typer.Argument(metavar="STACK", help="Name of the stack; Pulumi.<name>.yaml configures it.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write the manifests.")],
    layout: Annotated[Layout, typer.Option(help="What applies the manifests.")] = Layout.PLAIN,
    repository: Annotated[
        str | None, typer.Option(metavar="URL", help="Git repository of the output folder. Argo CD needs it.")
    ] = None,
    revision: Annotated[str, typer.Option(metavar="NAME", help="Branch or tag that Argo CD follows.")] = "main",
    path: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The output folder's path in the repository. [default: found by its .git]"),
    ] = None,
    engine: EngineOption = Engine.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Write a stack's Kubernetes objects as manifests for GitOps.

    Each object is a file; each cluster has a folder. No cloud and no cluster is contacted. Values that only clouds
    know, such as addresses, come from the state of the last `novacron up`. Secrets are never written: the command lists
    those that you create. The folder changes only if everything can be written. Other files in it are not touched.

    \b
    Examples:
      novacron render trial --output manifests
      novacron render prod --output clusters --layout flux
      novacron render prod --output prod --layout argo-cd --repository https://git.example.com/operations
    """
    from novacron_rehearsal import Diagnostic, Severity
    from novacron_rehearsal.events import Event
    from rich.console import Console

    from novacron_ops import rendering
    from novacron_ops.backends import NotDeployedError, open_backend
    from novacron_ops.project import find_stack

    target = find_stack(stack)
    if target.is_local():
        raise OpsError(f"stack {stack!r} is local: it has no Kubernetes objects", Exit.BAD_INPUT)
    if layout is Layout.ARGO_CD and not repository:
        raise OpsError("--layout argo-cd needs --repository: Applications name their Git repository", Exit.BAD_INPUT)
    _check_digests(target)
    backend = open_backend(engine, target, console)
    try:
        state = backend.export_state(show_secrets=True)
    except NotDeployedError:
        state = {}
    is_deployed = bool((state.get("deployment") or {}).get("resources"))
    errors = Console(stderr=True, soft_wrap=True)

    def show(event: Event) -> None:
        if isinstance(event, Diagnostic) and event.severity in (Severity.WARNING, Severity.ERROR):
            errors.print(f"{event.severity.value}: {event.message}", highlight=False, markup=False)

    with errors.status(f"Running the program of stack {stack} …"):
        result = rendering.declare_objects(target, state if is_deployed else None, show)
    clusters = rendering.collect(result.declared)
    _check(stack, clusters, is_deployed, as_json)
    source = rendering.Source(stack, repository or "", revision, path or _find_path(output))
    written = rendering.write_files(output, rendering.lay_out(clusters, layout, source), stack)
    values = _report(stack, output, layout, clusters, written, result.outdated)
    write_lines([json.dumps(values)] if as_json else _describe(values, layout))


def _check_digests(stack: ProjectStack) -> None:
    """Refuse to render a stack without digests of its images: its program, which only previews, would use zeros."""
    from novacron_infra.config import CloudEnvironment, load
    from novacron_infra.errors import ConfigurationError
    from novacron_infra.image_digests import find_missing_digests

    described = stack.read_environment()
    if described is None:  # a program may build its environment in Python
        return
    try:
        environment = load(described)
        if isinstance(environment, CloudEnvironment) and (missing := find_missing_digests(environment)):
            raise ConfigurationError(missing)
    except ConfigurationError as error:
        raise OpsError(str(error), Exit.BAD_INPUT) from error


def _check(stack: str, clusters: Sequence[ClusterObjects], is_deployed: bool, as_json: bool) -> None:
    """Refuse to render a stack without objects, or with objects that cannot be written whole."""
    if not clusters:
        raise OpsError(f"stack {stack} declares no Kubernetes objects", Exit.BAD_INPUT)
    problems = [f"{cluster.name}: {problem}" for cluster in clusters for problem in cluster.problems]
    if not problems:
        return
    if as_json:
        write_lines([json.dumps({"problems": problems}, ensure_ascii=False)])
        raise typer.Exit(Exit.FAILED)
    again = " again" if is_deployed else ""
    advice = f"Run `novacron up -s {stack} --without-cluster-objects`{again}, then render"
    raise OpsError("\n".join(["nothing was written:", *(f"  {problem}" for problem in problems), advice]))


def _find_path(output: Path) -> str:
    """Return a folder's path in its Git repository, empty for the repository itself; its name if it is in none."""
    whole = output.resolve()
    for parent in (whole, *whole.parents):
        if (parent / ".git").exists():
            path = whole.relative_to(parent).as_posix()
            return "" if path == "." else path
    return whole.name


def _report(
    stack: str,
    output: Path,
    layout: Layout,
    clusters: Sequence[ClusterObjects],
    written: Written,
    outdated: Sequence[str],
) -> dict[str, Any]:
    """Return the result as JSON values."""
    return {
        "stack": stack,
        "output": str(output),
        "layout": layout.value,
        **asdict(written),
        "clusters": [
            {
                "name": cluster.name,
                "objects": len(cluster.manifests),
                "charts": [asdict(chart) for chart in cluster.charts],
                "secrets": [{**asdict(secret), "command": secret.describe_creation()} for secret in cluster.secrets],
            }
            for cluster in clusters
        ],
        "outdated": list(outdated),
    }


def _describe(values: dict[str, Any], layout: Layout) -> list[str]:
    """Return the result as text: the counts, and what is left to do."""
    counts = ", ".join(f"{values[key]} {key}" for key in ("written", "unchanged", "removed"))
    objects = sum(cluster["objects"] for cluster in values["clusters"])
    lines = [f"{objects} objects of stack {values['stack']} are in {values['output']} (files: {counts})"]
    if values["outdated"]:
        names = [one.rpartition("::")[2] for one in values["outdated"]]
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        lines.append(
            "these resources have changed since the last `novacron up`, and the manifests have the results of that "
            f"run: {', '.join(names[:_MOST_NAMES])}{more}"
        )
    for cluster in values["clusters"]:
        folder = f"{values['output']}/{cluster['name']}"
        lines += [f"secret to create in {cluster['name']}: {one['command']}" for one in cluster["secrets"]]
        if layout is Layout.PLAIN:
            if cluster["charts"]:
                lines.append(f"{folder}/charts has the values of each chart, and the command that installs it")
            lines.append(f"apply: for wave in {folder}/[0-9]*; do kubectl apply --server-side --filename $wave; done")
        elif layout is Layout.FLUX:
            lines.append(f"apply once: kubectl apply --filename {folder}/flux")
    if layout is Layout.ARGO_CD:
        lines.append(f"apply once: kubectl apply --filename {values['output']}/applications")
    return lines
