"""Reads the running Pulumi program's configuration. The only module of `config` that knows Pulumi."""

from __future__ import annotations

from dataclasses import fields

from novacron_infra.config.environment import EnvironmentConfig, EnvironmentSecrets
from novacron_infra.config.errors import ConfigurationError, Problem
from novacron_infra.config.loading import load


def from_stack() -> EnvironmentConfig:
    """The environment of the stack that the program runs for; its secrets stay Pulumi secrets.

    Raises:
        ConfigurationError: `novacron:environment` is missing or wrong.
    """
    import pulumi

    config = pulumi.Config("novacron")
    try:
        values = config.get_object("environment")
    except pulumi.ConfigTypeError as error:
        raise ConfigurationError([Problem("", "", f"it is not an object: {error}", "write it as YAML keys")]) from None
    if values is None:
        fix = "copy it from Pulumi.local.yaml into this stack's file"
        raise ConfigurationError([Problem("", "missing", "the stack has no environment", fix)])
    keys = zip(fields(EnvironmentSecrets), EnvironmentSecrets.config_keys(), strict=True)
    secrets = EnvironmentSecrets(**{item.name: config.get_secret(key) for item, key in keys})
    return load(values, secrets=secrets)
