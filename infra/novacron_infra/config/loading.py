"""Reads an environment from plain values, and reports all of its problems in one error."""

from __future__ import annotations

import contextlib
import json
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from novacron_infra.config.defaults import mark_defaults
from novacron_infra.config.environment import CloudEnvironment, EnvironmentSecrets
from novacron_infra.config.field_problems import SET_SECRETS, describe_problems
from novacron_infra.config.kubernetes import KubernetesEnvironment, check_kubernetes_rules
from novacron_infra.config.local import LocalEnvironment, check_local_rules
from novacron_infra.config.problems import HIDDEN, MISSING, UNSHOWN, problem, remove_union_tags
from novacron_infra.config.rules import check_cloud_environment
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.sections.platform import Platform
from novacron_infra.errors import ConfigurationError, Problem
from novacron_infra.field_rules import suggest_choice

EnvironmentConfig: TypeAlias = LocalEnvironment | KubernetesEnvironment | CloudEnvironment
_Kind: TypeAlias = type[LocalEnvironment] | type[KubernetesEnvironment] | type[CloudEnvironment]

_MAX_VALUES = 100_000
"""Values in a configuration once its YAML aliases are expanded. A stack file has some hundred."""
_MAX_DEPTH = 100
"""Levels of lists and mappings inside each other."""


def load(mapping: object, *, secrets: EnvironmentSecrets | None = None) -> EnvironmentConfig:
    """Return the environment that `mapping` describes.

    Args:
        mapping: values as YAML or JSON gives them, or JSON text as Pulumi passes it. Its `platform` decides whether it
            describes a `LocalEnvironment`, a `KubernetesEnvironment` or a `CloudEnvironment`.
        secrets: the secrets of an environment in a cloud or in a cluster; `mapping` must not have any.

    Raises:
        ConfigurationError: with every problem, each with its path, value, rule and fix.
    """
    values = _copy_as_json(mapping)
    problems: list[Problem] = []
    if values.pop("secrets", None) is not None:
        rule = "secrets are not plain values"
        problems.append(problem("secrets", HIDDEN, rule, f"Remove this key, or {SET_SECRETS}"))
    platform = values.get("platform")
    known_platform = platform in [item.value for item in Platform]
    if not known_platform:
        platforms = ", ".join(item.value for item in Platform)
        if "platform" in values:
            found = problem("platform", platform, "it is not a platform", suggest_choice(platform, platforms))
        else:
            found = problem("platform", MISSING, "this key is required", f"Add it, with one of {platforms}")
        problems.append(found)
        values["platform"] = _guess_platform(values).value
    kind, check = _find_kind(values["platform"])
    parts, found = _split_valid_parts(kind, values)
    if not known_platform:
        parts.pop("platform", None)
    problems += found
    problems += mark_defaults(check(parts), parts, values)
    if problems:
        raise ConfigurationError(problems)
    config = kind.model_validate_json(json.dumps(values))
    if isinstance(config, CloudEnvironment):
        config = config.put_in_order()
    if secrets is not None and not isinstance(config, LocalEnvironment):
        return config.model_copy(update={"secrets": secrets})
    return config


def _guess_platform(values: Mapping[str, Any]) -> Platform:
    """Return the platform that an environment without a valid one looks like, as which the rest is checked."""
    if "cluster" in values or "access" in values:
        return Platform.KUBERNETES
    return Platform.AWS if "coordinators" in values else Platform.LOCAL


def _find_kind(platform: str) -> tuple[_Kind, Callable[[dict[str, Any]], list[Problem]]]:
    """Return the type of a platform's environments, and the check of the rules between their sections."""
    if platform == Platform.LOCAL.value:
        return LocalEnvironment, check_local_rules
    if platform == Platform.KUBERNETES.value:
        return KubernetesEnvironment, check_kubernetes_rules
    return CloudEnvironment, lambda parts: check_cloud_environment(cast("Parts", parts))


def _copy_as_json(mapping: object) -> dict[str, Any]:
    """Return a copy that has JSON's types only. Raises ConfigurationError for what JSON cannot hold."""
    if isinstance(mapping, str):
        with contextlib.suppress(ValueError, RecursionError):
            mapping = json.loads(mapping)
    if not isinstance(mapping, Mapping):
        raise ConfigurationError([problem("", mapping, "it must be a mapping", "Write the keys below it")])
    values = cast("Mapping[str, Any]", mapping)
    _check_size(values)
    try:
        return json.loads(json.dumps(dict(values), default=str))
    except (TypeError, ValueError, RecursionError) as error:
        fix = "Use texts as keys, and numbers of fewer than a thousand digits"
        raise ConfigurationError([problem("", UNSHOWN, f"it cannot be written as JSON: {error}", fix)]) from error


def _check_size(values: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for a mapping that is too deep or too large once its YAML aliases are expanded.

    A small text can describe a huge mapping: an alias repeats its anchor, and aliases can be nested.
    """
    sizes: dict[int, int] = {}
    # Without recursion: a value is counted when the values inside it are.
    open_values: dict[int, None] = {}
    stack: list[tuple[object, bool]] = [(values, False)]
    while stack:
        value, inside_is_counted = stack.pop()
        if not isinstance(value, Mapping | list | tuple):
            continue
        inner = list(cast("Mapping[Any, Any]", value).values() if isinstance(value, Mapping) else value)
        if inside_is_counted:
            del open_values[id(value)]
            size = 1 + sum(sizes.get(id(item), 1) for item in inner)
            if size > _MAX_VALUES:
                rule = f"it has more than {_MAX_VALUES:,} values once its YAML aliases are expanded"
                raise ConfigurationError([problem("", UNSHOWN, rule, "Write values out instead of nesting aliases")])
            sizes[id(value)] = size
            continue
        if id(value) in sizes:
            continue
        if id(value) in open_values:
            rule = "a YAML anchor contains an alias of itself"
            raise ConfigurationError([problem("", UNSHOWN, rule, "Remove that alias")])
        if len(open_values) >= _MAX_DEPTH:
            rule = f"lists and mappings are nested more than {_MAX_DEPTH} levels deep"
            raise ConfigurationError([problem("", UNSHOWN, rule, "Check the indentation and the brackets")])
        open_values[id(value)] = None
        stack.append((value, True))
        stack.extend((item, False) for item in inner)


def _split_valid_parts(kind: type[BaseModel], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the parts that are valid by themselves, for the rules between them, and the problems of the others."""
    try:
        valid = kind.model_validate_json(json.dumps(values))
        return {name: getattr(valid, name) for name in kind.model_fields}, []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    # A list whose only item is invalid is not too short as well.
    parents = {detail["loc"][:length] for detail in errors for length in range(len(detail["loc"]))}
    details = [detail for detail in errors if detail["loc"] not in parents]
    # An unknown key does not make its section invalid.
    unknown = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    wrong = {detail["loc"][0] for detail in details if detail["type"] != "extra_forbidden"}
    known_values = _remove_keys(values, unknown)
    parts: dict[str, Any] = {}
    for name, info in kind.model_fields.items():
        if name in wrong:
            continue
        if name in known_values:
            annotation: Any = typing.Annotated[info.annotation, info]  # pyright: ignore[reportInvalidTypeForm] - made at run time
            parts[name] = TypeAdapter[Any](annotation).validate_json(json.dumps(known_values[name]))
        else:
            parts[name] = info.default
    return parts, describe_problems(kind, values, details)


def _remove_keys(values: Mapping[str, Any], locations: Iterable[tuple[int | str, ...]]) -> dict[str, Any]:
    """Return a copy of `values` without the keys at `locations`."""
    known: dict[str, Any] = json.loads(json.dumps(values))
    for location in locations:
        *parents, key = remove_union_tags(location, values)
        owner: Any = known
        for step in parents:
            owner = owner[step]
        del owner[key]
    return known
