"""Reads the running Pulumi program's configuration. The only module of `config` that knows Pulumi."""

from __future__ import annotations

from dataclasses import fields

from novacron_infra.config.environment import EnvironmentSecrets
from novacron_infra.config.loading import EnvironmentConfig, load
from novacron_infra.config.problems import problem
from novacron_infra.errors import ConfigurationError, Problem


def load_stack() -> EnvironmentConfig:
    """The environment of the stack that is being run; its secrets stay Pulumi secrets.

    Raises:
        ConfigurationError: as `load` does, and for a secret that the stack's file holds in plain.
    """
    import pulumi

    config = pulumi.Config("novacron")
    keys = {
        item.name: key for item, key in zip(fields(EnvironmentSecrets), EnvironmentSecrets.config_keys(), strict=True)
    }
    plain = [
        Problem(
            f"novacron:{key}", "(hidden)", "a secret is stored in plain", f"pulumi config set --secret novacron:{key}"
        )
        for key in keys.values()
        if config.get_secret(key) is not None and not pulumi.runtime.is_config_secret(f"novacron:{key}")
    ]
    values = config.get("environment")
    if values is None:
        fix = f"Add it to Pulumi.{pulumi.get_stack()}.yaml"
        raise ConfigurationError([problem("", "missing", "an environment is needed", fix), *plain])
    try:
        environment = load(
            values, secrets=EnvironmentSecrets(**{name: config.get_secret(key) for name, key in keys.items()})
        )
    except ConfigurationError as error:
        raise ConfigurationError([*error.problems, *plain]) from error
    if plain:
        raise ConfigurationError(plain)
    return environment
