"""`novacron preview`."""

from __future__ import annotations

from novacron_ops.console import console, say, write_lines
from novacron_ops.errors import OpsError
from novacron_ops.options import Engine, EngineOption, StackOption, WithoutClusterObjectsOption, WithoutRegionOption


def preview(
    stack: StackOption = "local",
    engine: EngineOption = Engine.AUTO,
    without_region: WithoutRegionOption = None,
    without_cluster_objects: WithoutClusterObjectsOption = False,
) -> None:
    """Show what `novacron up` would change.

    \b
    Examples:
      novacron preview
      novacron preview -s prod --without-region eu-north-1
    """
    from novacron_infra.image_digests import WITHOUT_DIGESTS
    from novacron_rehearsal import Operation

    from novacron_ops.backends import RunOutcome, open_backend
    from novacron_ops.cluster_objects import describe_reach, select_cluster_objects
    from novacron_ops.data_losses import LossRecorder, describe_losses, read_environment
    from novacron_ops.project import find_stack
    from novacron_ops.regions import deployed_region_patterns

    target = find_stack(stack)
    env = WITHOUT_DIGESTS if without_cluster_objects else {}
    backend = open_backend(engine, target, console, env)
    say(f"Using the {backend.description}.", style="dim")
    exclude = (
        *deployed_region_patterns(target, without_region or (), backend),
        *select_cluster_objects(target, without_cluster_objects),
    )
    for line in describe_reach(target, backend, without_cluster_objects):
        say(line)
    losses = LossRecorder()
    outcome = backend.run(Operation.PREVIEW, exclude=exclude, on_step=losses)
    write_lines(describe_losses(losses, read_environment(target.read_environment()), stack))
    if outcome is not RunOutcome.SUCCEEDED:
        raise OpsError(f"the preview of stack {stack} failed; nothing was changed")
