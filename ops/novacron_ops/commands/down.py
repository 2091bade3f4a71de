"""`novacron down`."""

from __future__ import annotations

from novacron_ops.console import console, say
from novacron_ops.errors import OpsError
from novacron_ops.options import Engine, EngineOption, StackOption, WithoutRegionOption


def down(
    stack: StackOption = "local", engine: EngineOption = Engine.AUTO, without_region: WithoutRegionOption = None
) -> None:
    """Remove every resource of a stack.

    A stack that another run has locked, or whose state cannot be read, is left as it is.

    \b
    Examples:
      novacron down
      novacron down -s dev
    """
    from novacron_rehearsal import Operation
    from novacron_rehearsal.state.lock import StackLockedError

    from novacron_ops import local_processes
    from novacron_ops.backends import RunOutcome, open_backend
    from novacron_ops.project import find_stack
    from novacron_ops.regions import region_patterns

    target = find_stack(stack)
    backend = open_backend(engine, target, console)
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
            f"`novacron down -s {stack}` again"
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
