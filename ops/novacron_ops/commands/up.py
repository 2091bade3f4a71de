"""`novacron up`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from novacron_infra.clock import SYSTEM_CLOCK

from novacron_ops.console import console, say, write_lines
from novacron_ops.errors import OpsError
from novacron_ops.options import Engine, EngineOption, StackOption, WithoutClusterObjectsOption, WithoutRegionOption

if TYPE_CHECKING:
    from novacron_ops.backends import Backend
    from novacron_ops.project import ProjectStack


def up(
    stack: StackOption = "local",
    engine: EngineOption = Engine.AUTO,
    without_region: WithoutRegionOption = None,
    without_cluster_objects: WithoutClusterObjectsOption = False,
    allow_data_loss: Annotated[
        bool, typer.Option("--allow-data-loss", help="Make changes that lose data, without asking.")
    ] = False,
) -> None:
    """Deploy a stack and wait until it answers.

    Run it again after an interruption or an error: it continues where the last run ended. A deployed stack that holds
    data is previewed first: if the change would replace or delete a database, a bucket, a cluster or anything else with
    data, you are asked; without a terminal, the change is refused.

    \b
    Examples:
      novacron up
      novacron up -s prod --without-region eu-north-1
      novacron up -s prod --without-cluster-objects
    """
    from novacron_infra.image_digests import WITHOUT_DIGESTS
    from novacron_rehearsal import Operation

    from novacron_ops.backends import RunOutcome, open_backend
    from novacron_ops.cluster_objects import describe_reach, select_cluster_objects
    from novacron_ops.data_losses import holds_data
    from novacron_ops.project import find_stack
    from novacron_ops.regions import deployed_region_patterns

    started_s = SYSTEM_CLOCK.monotonic()
    target = find_stack(stack)
    env = WITHOUT_DIGESTS if without_cluster_objects else {}
    backend = open_backend(engine, target, console, env)
    say(f"Using the {backend.description}.", style="dim")
    is_cloud = target.is_cloud()
    exclude = (
        *deployed_region_patterns(target, without_region or (), backend),
        *select_cluster_objects(target, without_cluster_objects),
    )
    for line in describe_reach(target, backend, without_cluster_objects):
        say(line)
    previewed = is_cloud and holds_data(backend.urns())
    if previewed:
        _check_losses(target, backend, exclude, allow_data_loss)
    # A refresh finds local processes that died since the last run. It would fail for a region that is unreachable.
    outcome = backend.run(
        Operation.UP,
        refresh=not is_cloud,
        continue_on_error=is_cloud,
        exclude=exclude,
        previewed=previewed,
    )
    if outcome is RunOutcome.NOT_STARTED:
        raise OpsError(f"stack {stack} was not changed; fix the problem above and run the command again")
    if outcome is RunOutcome.FAILED:
        has_logs = any((target.run_dir / "logs").glob("*.log"))
        raise OpsError(
            f"stack {stack} is not fully deployed; resources that were created are kept"
            + (f". `novacron logs -s {stack}` shows what the processes printed" if has_logs else "")
        )
    print_next_steps(target, backend, SYSTEM_CLOCK.monotonic() - started_s)


def _check_losses(target: ProjectStack, backend: Backend, exclude: tuple[str, ...], allowed: bool) -> None:
    """Preview an update, and ask before it loses data.

    Raises:
        OpsError: the preview failed, or the update would lose data, and that is not wanted.
    """
    from novacron_rehearsal import Operation

    from novacron_ops.backends import RunOutcome
    from novacron_ops.data_losses import LossRecorder, describe_losses, read_environment

    losses = LossRecorder()
    outcome = backend.run(Operation.PREVIEW, exclude=exclude, on_step=losses)
    lines = describe_losses(losses, read_environment(target.read_environment()), target.name)
    write_lines(lines)
    unchanged = f"stack {target.name} was not changed"
    if outcome is not RunOutcome.SUCCEEDED:
        raise OpsError(f"{unchanged}: its preview failed; fix the problem above and run the command again")
    if not lines or allowed:
        return
    if not sys.stdin.isatty():
        raise OpsError(f"{unchanged}: the change loses data. To make it, run the command with --allow-data-loss")
    if not typer.confirm("Make the change?"):
        raise OpsError(unchanged)


def print_next_steps(target: ProjectStack, backend: Backend, duration_s: float) -> None:
    """Print how to use a stack that serves a model; nothing for other stacks."""
    from novacron_ops.stack_status import is_inside_cluster

    outputs = backend.outputs()
    endpoint, model = outputs.get("endpoint"), outputs.get("model")
    if not isinstance(endpoint, str) or not isinstance(model, str):
        return
    request = json.dumps({"model": model, "messages": [{"role": "user", "content": "What is a GPU?"}]})
    command = sys.argv[0] if sys.argv[0].endswith("novacron") else "novacron"
    key = f' -H "Authorization: Bearer $({command} key -s {target.name})"' if "admin_key" in outputs else ""
    if is_inside_cluster(endpoint):
        say(
            f"\nDeployed after {duration_s:.1f} s. {endpoint} is inside the cluster. To try it from here:", style="bold"
        )
        address = urlsplit(endpoint)
        service, namespace, *_ = str(address.hostname).split(".")
        write_lines([f"\n  kubectl port-forward -n {namespace} service/{service} {address.port}"])
        endpoint = f"http://127.0.0.1:{address.port}{address.path}"
    else:
        say(f"\n{endpoint} answers after {duration_s:.1f} s. Try it:", style="bold")
    write_lines([f"\n  curl {endpoint}/chat/completions -H 'Content-Type: application/json'{key} -d '{request}'\n"])
    say(f"{endpoint.removesuffix('/v1')} shows the cluster's status and a chat in the browser.")
    make = "make down" if target.name == "local" else f"make down STACK={target.name}"
    say(f"Remove the stack: {make} (or novacron down -s {target.name})")
