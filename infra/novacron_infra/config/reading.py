"""Reads the configuration of the running Pulumi program. No other module of `config` uses Pulumi."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from novacron_infra.config.environment import CloudEnvironment, EnvironmentSecrets
from novacron_infra.config.kubernetes import KubernetesEnvironment
from novacron_infra.config.loading import EnvironmentConfig, load
from novacron_infra.config.problems import HIDDEN, KEY, MISSING, UNSHOWN, problem
from novacron_infra.errors import ConfigurationError, Problem

SHORTEST_SECRET = 16
"""Characters. ElastiCache accepts 16 to 128."""


@dataclass(frozen=True, slots=True)
class _Server:
    """A server that exists, whose URL is a secret of the stack."""

    name: str
    schemes: tuple[str, ...]
    example: str


_SERVERS = {
    "database_url": _Server(
        "Postgres database", ("postgresql://",), "postgresql://user:password@postgres.example.com:5432/novacron"
    ),
    "redis_url": _Server("Redis server", ("redis://", "rediss://"), "rediss://:password@redis.example.com:6379"),
}


def load_stack() -> EnvironmentConfig:
    """Return the environment of the running stack. Its secrets stay Pulumi secrets.

    Raises:
        ConfigurationError: with the problems that `load` finds, and with secrets that are in plain text or too short.
    """
    import pulumi
    from pulumi.runtime.config import CONFIG, get_config_env

    config = pulumi.Config("novacron")
    keys = EnvironmentSecrets.config_keys()
    problems = [found for key in keys.values() for found in _check_secret(f"novacron:{key}")]
    problems += find_misspelt_keys({*CONFIG.get(), *get_config_env()})
    for name, kind in _SERVERS.items():
        problems += _check_url(f"novacron:{keys[name]}", kind)
    values = config.get("environment")
    if values is None:
        fix = f"Add it to Pulumi.{pulumi.get_stack()}.yaml"
        misplaced = f"{pulumi.get_project()}:environment"
        if pulumi.runtime.get_config(misplaced) is not None:
            fix = f"Its key environment belongs to the project and means {misplaced}: write {KEY}"
        raise ConfigurationError([problem("", MISSING, "the stack needs an environment", fix), *problems])
    try:
        secrets = EnvironmentSecrets(**{name: config.get_secret(key) for name, key in keys.items()})
        environment = load(values, secrets=secrets)
    except ConfigurationError as error:
        raise ConfigurationError([*error.problems, *problems]) from error
    problems += _check_unused_secrets(environment, keys)
    if isinstance(environment, KubernetesEnvironment):
        problems += _check_second_servers(environment, keys)
    if problems:
        raise ConfigurationError(problems)
    return environment


def find_misspelt_keys(keys: Collection[str]) -> Iterator[Problem]:
    """Report the keys of a stack's configuration that resemble a key of novacron which the stack does not set.

    Args:
        keys: all keys of the configuration, with their namespaces. Other keys belong to the program, and are ignored.
    """
    known = [KEY, *(f"novacron:{key}" for key in EnvironmentSecrets.config_keys().values())]
    unset = [key for key in known if key not in keys]
    for key in keys:
        if key.startswith("novacron:") and key not in known:
            for near in difflib.get_close_matches(key, unset, n=1, cutoff=0.9):
                yield Problem(key, UNSHOWN, "it is an unknown key", f"Did you mean {near}?")


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


def _check_url(key: str, server: _Server) -> Iterator[Problem]:
    import pulumi

    value = pulumi.runtime.get_config(key)
    if value is not None and not value.startswith(server.schemes):
        yield Problem(key, HIDDEN, f"it is not the URL of a {server.name}", f"Write it like {server.example}")


def _check_second_servers(environment: KubernetesEnvironment, keys: Mapping[str, str]) -> Iterator[Problem]:
    """Report the URL of a server of which the stack has one of its own."""
    import pulumi

    for name, section in (("database_url", "postgres"), ("redis_url", "redis")):
        key = f"novacron:{keys[name]}"
        if getattr(environment, section) is not None and pulumi.runtime.get_config(key) is not None:
            rule = f"{KEY}.{section} also names a server"
            yield Problem(key, HIDDEN, rule, f"Run pulumi config rm {key}, or remove {KEY}.{section}")


def _check_unused_secrets(environment: EnvironmentConfig, keys: Mapping[str, str]) -> Iterator[Problem]:
    """Report secrets of the stack that its platform does not use, and would ignore."""
    import pulumi

    if isinstance(environment, KubernetesEnvironment):
        unused = keys.keys() - {"api_key", *_SERVERS}
    elif isinstance(environment, CloudEnvironment):
        unused = set(_SERVERS)
    else:
        return
    for key in (f"novacron:{keys[name]}" for name in sorted(unused)):
        if pulumi.runtime.get_config(key) is not None:
            rule = f"platform {environment.platform.value} does not use this secret"
            yield Problem(key, HIDDEN, rule, f"Run pulumi config rm {key}")
