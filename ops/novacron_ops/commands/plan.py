"""`novacron plan`."""

from __future__ import annotations

import json

from novacron_ops.console import write_lines
from novacron_ops.errors import Exit, OpsError
from novacron_ops.options import JsonOption, StackOption


def plan(stack: StackOption = "prod", as_json: JsonOption = False) -> None:
    """Show the size, price and failover time of a cloud stack.

    The plan lists nodes, replicas, memory, targets and items without a price. It comes from the stack's
    configuration and the catalogue; no cloud is contacted.

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
    if isinstance(found, LocalEnvironment):
        raise OpsError(
            f"stack {stack!r} is local: there is nothing to plan; `novacron preview -s {stack}` shows what would "
            "change",
            Exit.BAD_INPUT,
        )
    if isinstance(found, KubernetesEnvironment):
        raise OpsError(
            f"stack {stack!r} runs in a cluster of your own: there is nothing to plan, because its machines and their "
            f"price are not known; `novacron rehearse -s {stack}` shows what would be created",
            Exit.BAD_INPUT,
        )
    write_lines([json.dumps(plan_to_json(found), indent=1, ensure_ascii=False)] if as_json else describe_plan(found))
