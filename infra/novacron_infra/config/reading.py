"""From a stack's configuration to `EnvironmentConfig`, with every problem told at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from novacron_infra.config.environment import EnvironmentConfig
from novacron_infra.errors import ConfigurationError, Problem

KEY = "novacron:environment"


def load(values: Mapping[str, Any]) -> EnvironmentConfig:
    """Check a description.

    Raises:
        ConfigurationError: with every problem: the field's path, its value, the rule and a fix.
    """
    try:
        return EnvironmentConfig.model_validate(values)
    except ValidationError as error:
        problems = [_problem(dict(item)) for item in error.errors(include_url=False)]
        raise ConfigurationError(problems) from error


def load_stack() -> EnvironmentConfig:
    """The environment of the stack that is being run. Raises `ConfigurationError` as `load` does."""
    import pulumi

    values = pulumi.Config("novacron").get("environment")
    if values is None:
        raise ConfigurationError(
            [Problem(KEY, "missing", "an environment is needed", f"Add `{KEY}` to Pulumi.{pulumi.get_stack()}.yaml")]
        )
    try:
        content = json.loads(values)
    except ValueError:
        content = values
    if not isinstance(content, dict):
        raise ConfigurationError([Problem(KEY, repr(content), "must be a mapping", "Write its fields below the key")])
    return load(content)


def _problem(item: dict[str, Any]) -> Problem:
    location = tuple(str(part) for part in item["loc"])
    path = ".".join((KEY, *location))
    value = json.dumps(item.get("input"), default=str)
    if len(value) > 80:
        value = value[:77] + "..."
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        close = get_close_matches(location[-1], _fields_at(location[:-1]), n=1)
        known = ", ".join(_fields_at(location[:-1]))
        fix = f"Did you mean `{close[0]}`?" if close else f"Known here: {known}"
        return Problem(path, value, "there is no such field", fix)
    if kind == "missing":
        return Problem(path, "missing", "this field is needed", f"Known here: {', '.join(_fields_at(location[:-1]))}")
    if kind == "enum":
        return Problem(path, value, "not one of the choices", f"Use {context.get('expected')}")
    if kind == "value_error":
        return Problem(path, "as given", str(context.get("error")), "Change one of the values that it names")
    message = str(item["msg"])
    return Problem(path, value, message[0].lower() + message[1:], "Change the value")


def _fields_at(location: tuple[str, ...]) -> list[str]:
    model: type[BaseModel] = EnvironmentConfig
    for part in location:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
