"""`novacron key`."""

from __future__ import annotations

from novacron_ops.console import console, write_lines
from novacron_ops.errors import OpsError
from novacron_ops.options import Engine, EngineOption, StackOption


def key(stack: StackOption = "local", engine: EngineOption = Engine.AUTO) -> None:
    """Print the administrator's API key of a local stack, or of one in a cluster of your own.

    A local stack has a key if its environment sets `coordinator.api_keys: true`.

    \b
    Examples:
      curl -H "Authorization: Bearer $(novacron key)" http://127.0.0.1:8080/v1/models
    """
    from novacron_ops.backends import open_backend, read_secret_output
    from novacron_ops.project import find_stack

    target = find_stack(stack)
    backend = open_backend(engine, target, console)
    if not backend.outputs():
        raise OpsError(f"stack {stack} is not deployed; `novacron up -s {stack}` deploys it")
    found = read_secret_output(backend, "admin_key")
    if found is None:
        raise OpsError(
            f"stack {stack} has no administrator key: "
            + (
                f"set coordinator.api_keys: true in Pulumi.{stack}.yaml, then run `novacron up -s {stack}`"
                if target.is_local()
                else "only local stacks and stacks in a cluster of your own have one"
            )
        )
    write_lines([found])
