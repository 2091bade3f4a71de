"""Reads the configuration of the running Pulumi program. No other module of `config` uses Pulumi."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.environment import EnvironmentSecrets
from novacron_infra.config.loading import EnvironmentConfig, load
from novacron_infra.config.problems import HIDDEN, MISSING, problem
from novacron_infra.errors import ConfigurationError, Problem

SHORTEST_SECRET = 16
"""Characters. ElastiCache accepts 16 to 128."""


def load_stack() -> EnvironmentConfig:
    """Return the environment of the running stack. Its secrets stay Pulumi secrets.

    Raises:
        ConfigurationError: with the problems that `load` finds, and with secrets that are in plain text or too short.
    """
    import pulumi

    config = pulumi.Config("novacron")
    keys = EnvironmentSecrets.config_keys()
    problems = [found for key in keys.values() for found in _check_secret(f"novacron:{key}")]
    values = config.get("environment")
    if values is None:
        fix = f"Add it to Pulumi.{pulumi.get_stack()}.yaml"
        raise ConfigurationError([problem("", MISSING, "the stack needs an environment", fix), *problems])
    try:
        secrets = EnvironmentSecrets(**{name: config.get_secret(key) for name, key in keys.items()})
        environment = load(values, secrets=secrets)
    except ConfigurationError as error:
        raise ConfigurationError([*error.problems, *problems]) from error
    if problems:
        raise ConfigurationError(problems)
    return environment


def _check_secret(key: str) -> Iterator[Problem]:
    import pulumi

    value = pulumi.runtime.get_config(key)
    if value is None:
        return
    if not pulumi.runtime.is_config_secret(key):
        yield Problem(key, HIDDEN, "this secret is in plain text", f"Run pulumi config set --secret {key}")
    if len(value) < SHORTEST_SECRET:
        fix = f"Use {SHORTEST_SECRET} characters or more. To have it generated, run pulumi config rm {key}"
        yield Problem(key, HIDDEN, "it is too short to be safe", fix)
