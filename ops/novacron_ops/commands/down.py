"""`novacron down`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from novacron_ops.console import console, say
from novacron_ops.errors import OpsError
from novacron_ops.options import Engine, EngineOption, StackOption, WithoutRegionOption

if TYPE_CHECKING:
    from novacron_ops.backends import Backend
    from novacron_ops.project import ProjectStack

_DELETE_UNREACHABLE = {"PULUMI_K8S_DELETE_UNREACHABLE": "true"}
"""Pulumi's own variable. NovaCron's Kubernetes provider knows it too."""


def down(
    stack: StackOption = "local",
    engine: EngineOption = Engine.AUTO,
    without_region: WithoutRegionOption = None,
    delete_unreachable: Annotated[
        bool,
        typer.Option(
            "--delete-unreachable",
            help="Forget the objects in Kubernetes clusters that do not answer. Use it only for clusters that are "
            "gone: objects in a cluster that comes back are no longer part of any stack.",
        ),
    ] = False,
) -> None:
    """Remove every resource of a stack.

    A stack that another run has locked, or whose state cannot be read, is left as it is.

    \b
    Examples:
      novacron down
      novacron down -s dev
      novacron down -s trial --delete-unreachable
    """
    from novacron_rehearsal import Operation
    from novacron_rehearsal.state.lock import StackLockedError

    from novacron_ops import local_processes
    from novacron_ops.backends import RunOutcome, open_backend
    from novacron_ops.project import find_stack
    from novacron_ops.regions import region_patterns

    target = find_stack(stack)
    backend = open_backend(engine, target, console, _DELETE_UNREACHABLE if delete_unreachable else {})
    outcome = backend.run(
        Operation.DESTROY,
        continue_on_error=target.is_cloud(),
        exclude=region_patterns(target, without_region or ()),
    )
    if outcome is RunOutcome.NOT_STARTED:
        raise OpsError(
            f"stack {stack} was not removed: nothing was changed. Fix the problem above, then run "
            f"`novacron down -s {stack}` again"
        )
    if outcome is RunOutcome.FAILED:
        raise OpsError(
            f"some resources of stack {stack} were not removed. Fix the problem above, then run "
            f"`novacron down -s {stack}` again{_suggest_option(target, backend)}"
        )
    if target.is_local() or target.run_dir.is_dir():
        try:
            with target.lock():
                stopped = local_processes.stop_leftovers(target.run_dir)
        except StackLockedError:
            return  # a new `up` has started since: its processes are not leftovers
        if stopped:
            say(f"also stopped, although the state did not have them: {', '.join(stopped)}")
    backend.forget()


def _suggest_option(stack: ProjectStack, backend: Backend) -> str:
    """Return a sentence about clusters that do not answer; empty if all do."""
    if not stack.is_cloud():
        return ""
    from novacron_ops.clusters import find_unreachable
    from novacron_ops.stack_clusters import find_stack_clusters

    silent = find_unreachable(find_stack_clusters(backend))
    if not silent:
        return ""
    return (
        f". These clusters do not answer: {', '.join(silent)}. If they are gone for good, "
        f"`novacron down -s {stack.name} --delete-unreachable` forgets what was in them"
    )
