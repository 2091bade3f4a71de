"""Reads the running Pulumi program's configuration. The only module of `config` that knows Pulumi."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.environment import EnvironmentSecrets
from novacron_infra.config.loading import EnvironmentConfig, load
from novacron_infra.config.problems import problem
from novacron_infra.errors import ConfigurationError, Problem

SHORTEST_SECRET = 16
"""Characters. ElastiCache takes 16 to 128."""


def load_stack() -> EnvironmentConfig:
    """The environment of the stack that is being run; its secrets stay Pulumi secrets.

    Raises:
        ConfigurationError: as `load` does, and for secrets that the stack's file holds in plain or that are too short.
    """
    import pulumi

    config = pulumi.Config("novacron")
    keys = EnvironmentSecrets.config_keys()
    problems = [found for key in keys.values() for found in _wrong_secret(f"novacron:{key}")]
    values = config.get("environment")
    if values is None:
        fix = f"Add it to Pulumi.{pulumi.get_stack()}.yaml"
        raise ConfigurationError([problem("", "missing", "an environment is needed", fix), *problems])
    try:
        secrets = EnvironmentSecrets(**{name: config.get_secret(key) for name, key in keys.items()})
        environment = load(values, secrets=secrets)
    except ConfigurationError as error:
        raise ConfigurationError([*error.problems, *problems]) from error
    if problems:
        raise ConfigurationError(problems)
    return environment


def _wrong_secret(key: str) -> Iterator[Problem]:
    import pulumi

    value = pulumi.runtime.get_config(key)
    if value is None:
        return
    if not pulumi.runtime.is_config_secret(key):
        yield Problem(key, "(hidden)", "a secret is stored in plain", f"pulumi config set --secret {key}")
    if len(value) < SHORTEST_SECRET:
        fix = f"Use {SHORTEST_SECRET} characters or more, or pulumi config rm {key}: it is generated then"
        yield Problem(key, "(hidden)", "it is too short to be safe", fix)
