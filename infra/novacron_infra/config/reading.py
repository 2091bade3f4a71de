"""Reads the running Pulumi program's configuration. The only module of `config` that knows Pulumi."""

from __future__ import annotations

import json
from dataclasses import fields

from novacron_infra.config.environment import EnvironmentSecrets
from novacron_infra.config.loading import EnvironmentConfig, load
from novacron_infra.config.problems import problem
from novacron_infra.errors import ConfigurationError


def load_stack() -> EnvironmentConfig:
    """The environment of the stack that is being run; its secrets stay Pulumi secrets. Raises as `load` does."""
    import pulumi

    config = pulumi.Config("novacron")
    values = config.get("environment")
    if values is None:
        fix = f"Add it to Pulumi.{pulumi.get_stack()}.yaml"
        raise ConfigurationError([problem("", "missing", "an environment is needed", fix)])
    try:
        content = json.loads(values)
    except ValueError:
        content = values
    keys = zip(fields(EnvironmentSecrets), EnvironmentSecrets.config_keys())  # noqa: B905 - made from the same fields
    return load(content, secrets=EnvironmentSecrets(**{item.name: config.get_secret(key) for item, key in keys}))
