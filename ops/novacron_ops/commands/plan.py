"""`novacron plan`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from novacron_ops.console import write_lines
from novacron_ops.errors import Exit, OpsError
from novacron_ops.options import JsonOption, StackOption

if TYPE_CHECKING:
    from novacron_infra.config import KubernetesEnvironment, LocalEnvironment


def plan(stack: StackOption = "prod", as_json: JsonOption = False) -> None:
    """Show the size, price and failover time of a cloud stack.

    The plan lists nodes, replicas, memory, targets and items without a price. It comes from the stack's
    configuration and the catalogue; no cloud is contacted. A stack on machines of your own is only checked.

    \b
    Examples:
      novacron plan -s prod
      novacron plan -s prod --json
    """
    from novacron_infra.config import KubernetesEnvironment, LocalEnvironment
    from novacron_infra.plan import plan_to_json

    from novacron_ops.environment_plan import describe_missing_environment, load_plan, suggest_keys
    from novacron_ops.plan_report import describe_plan
    from novacron_ops.project import find_stack

    target = find_stack(stack)
    found = load_plan(target, as_json)
    if found is None:
        advice = f"If the program builds its environment in Python, run `novacron rehearse -s {stack}`"
        raise OpsError(
            f"{describe_missing_environment(target)}, so there is nothing to plan. {suggest_keys(target) or advice}",
            Exit.BAD_INPUT,
        )
    if isinstance(found, LocalEnvironment | KubernetesEnvironment):
        _write_own(found, stack, as_json)
        return
    write_lines([json.dumps(plan_to_json(found), indent=1, ensure_ascii=False)] if as_json else describe_plan(found))


def _write_own(environment: LocalEnvironment | KubernetesEnvironment, stack: str, as_json: bool) -> None:
    """Write that an environment on machines of the user's own is valid. Their price and size are not known."""
    from novacron_infra.config import Platform
    from novacron_infra.shown_values import show_count

    if as_json:
        values = {"platform": environment.platform.value, "environment": environment.model_dump(mode="json")}
        write_lines([json.dumps(values, indent=1, ensure_ascii=False)])
        return
    where, step = (
        ("on this machine", "preview")
        if environment.platform is Platform.LOCAL
        else ("in a cluster of your own", "rehearse")
    )
    write_lines(
        [
            f"The configuration of stack {stack} is valid: {show_count(environment.workers.count, 'worker')} {where}.",
            "The machines are yours, so there is nothing to size or to price.",
            f"`novacron {step} -s {stack}` shows what would be created.",
        ]
    )
