"""The plan of the environment in a stack's configuration."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer
from novacron_infra.config import CloudEnvironment, KubernetesEnvironment, LocalEnvironment, load
from novacron_infra.config.reading import find_misspelt_keys
from novacron_infra.errors import ConfigurationError
from novacron_infra.plan import EnvironmentPlan, plan_environment, plan_own_environment

from novacron_ops.console import write_lines
from novacron_ops.errors import Exit, OpsError
from novacron_ops.project import ENVIRONMENT_KEY, ProjectStack


def load_plan(stack: ProjectStack, as_json: bool) -> EnvironmentPlan | LocalEnvironment | KubernetesEnvironment | None:
    """Return the plan of a stack's environment, or None if the stack configures none.

    An environment that is not in a cloud has no plan: it is returned itself.

    Args:
        stack: the stack.
        as_json: print the problems of a configuration as JSON on standard output instead of raising their text.

    Raises:
        OpsError: if the configuration is invalid or cannot be planned.
    """
    configuration = stack.read_configuration()
    if ENVIRONMENT_KEY not in configuration:
        return None
    try:
        config = load(configuration[ENVIRONMENT_KEY])
        if isinstance(config, KubernetesEnvironment):
            plan_own_environment(config)  # checks that the model fits the GPU nodes
        return plan_environment(config) if isinstance(config, CloudEnvironment) else config
    except ConfigurationError as error:
        if as_json:
            problems = [asdict(problem) for problem in error.problems]
            write_lines([json.dumps({"problems": problems}, ensure_ascii=False)])
            raise typer.Exit(Exit.BAD_INPUT) from error
        raise OpsError(str(error), Exit.BAD_INPUT) from error


def describe_missing_environment(stack: ProjectStack) -> str:
    """Return a sentence that says where an environment was expected, with a hint if its key has no namespace."""
    text = f"stack {stack.name!r} has no {ENVIRONMENT_KEY} below config in {stack.file} or Pulumi.yaml"
    keys = stack.read_configuration()
    misplaced = f"{stack.project_name}:environment"
    if misplaced != ENVIRONMENT_KEY and misplaced in keys:
        text += f"; its key `environment` belongs to the project and means {misplaced}: write {ENVIRONMENT_KEY}"
    return text


def suggest_keys(stack: ProjectStack) -> str:
    """Return sentences with the right spelling of misspelt keys of a stack's configuration; empty if there are none."""
    misspelt = find_misspelt_keys(stack.read_configuration())
    return ". ".join(f"{problem.path} is an unknown key. {problem.fix}" for problem in misspelt)
