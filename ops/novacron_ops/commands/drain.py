"""`novacron drain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from novacron_ops.console import console, say
from novacron_ops.errors import Exit, OpsError
from novacron_ops.options import Engine, EngineOption, StackOption

if TYPE_CHECKING:
    from novacron_ops.project import ProjectStack


def drain(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A process of a local stack; in a cluster, a pod or a node, or CLUSTER/NAME."
        ),
    ],
    stack: StackOption = "local",
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long one process or pod may take.")
    ] = 600,
    undo: Annotated[bool, typer.Option("--undo", help="Let a drained node get pods again.")] = False,
    engine: EngineOption = Engine.AUTO,
) -> None:
    """Let a worker, a coordinator or a whole node finish its requests, and replace it.

    A process gets no new requests, finishes those in flight, ends, and is started again. Pods are evicted one after the
    other, as their disruption budgets allow. A node gets no new pods, and its pods of this stack move to other nodes;
    its other pods stay.

    \b
    Examples:
      novacron drain worker-0
      novacron drain llm-workers-1 -s trial
      novacron drain node-1 -s trial
      novacron drain node-1 -s trial --undo
    """
    from novacron_ops.local_processes import drain_process
    from novacron_ops.project import find_stack

    target = find_stack(stack)
    if target.is_cloud():
        _drain_in_clusters(target, engine, name, timeout_s, undo)
        return
    if undo:
        raise OpsError("--undo: a local stack has no nodes", Exit.BAD_INPUT)
    drain_process(target.run_dir, name, timeout_s)
    say(f"{name} is drained and runs again")


def _drain_in_clusters(stack: ProjectStack, engine: Engine, name: str, timeout_s: float, undo: bool) -> None:
    from novacron_ops.backends import open_backend
    from novacron_ops.clusters import Drain
    from novacron_ops.stack_clusters import require_workloads

    chosen, _, own_name = name.rpartition("/")
    clusters = require_workloads(stack, open_backend(engine, stack, console))
    drains = [Drain(cluster, timeout_s, say) for cluster in clusters if chosen in ("", cluster.name)]
    found = [drain for drain in drains if drain.has(own_name)]
    if not found:
        names = ", ".join(cluster.name for cluster in clusters)
        raise OpsError(
            f"{name}: there is no such node and no such pod of this stack in {names}; "
            f"`novacron status -s {stack.name}` lists the pods and their nodes",
            Exit.BAD_INPUT,
        )
    if len(found) > 1:
        names = " or ".join(f"{drain.cluster.name}/{own_name}" for drain in found)
        raise OpsError(f"{name}: several clusters have it; write {names}", Exit.BAD_INPUT)
    if undo:
        found[0].undo(own_name)
    else:
        found[0].drain(own_name)
