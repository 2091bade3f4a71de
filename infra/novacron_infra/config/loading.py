"""Reads an environment from plain values and turns everything wrong with it into one error."""

from __future__ import annotations

import difflib
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from novacron_infra.config.environment import EnvironmentConfig, EnvironmentSecrets, broken_rules
from novacron_infra.config.errors import ConfigurationError, Problem

_SHOWN_CHARACTERS = 60


def load(mapping: Mapping[str, Any], *, secrets: EnvironmentSecrets | None = None) -> EnvironmentConfig:
    """The environment that `mapping` (plain YAML or JSON values) describes.

    Raises:
        ConfigurationError: with every problem, each with its path, value, rule and fix.
    """
    plain: object = mapping
    if not isinstance(plain, Mapping):
        raise ConfigurationError(
            [Problem("", repr(plain), "it must be an object with keys", "see Pulumi.local.yaml for the least one")]
        )
    text = json.dumps(dict(mapping), default=str)
    values: dict[str, Any] = json.loads(text)
    problems: list[Problem] = []
    if "secrets" in values:
        del values["secrets"]
        keys = ", ".join(f"novacron:{key}" for key in EnvironmentSecrets.config_keys())
        rule = "secrets do not belong into the environment's plain values"
        problems.append(Problem("secrets", "(hidden)", rule, f"pulumi config set --secret one of {keys}, or leave out"))
    try:
        config = EnvironmentConfig.model_validate_json(json.dumps(values))
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems += [problem for detail in details for problem in _problems(detail)]
        if not any(detail["type"] == "rules" for detail in details):
            problems += broken_rules(_valid_parts(values))
        raise ConfigurationError(problems) from None
    if problems:
        raise ConfigurationError(problems)
    return config if secrets is None else config.model_copy(update={"secrets": secrets})


def _valid_parts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The parts that are valid by themselves, so that the rules between them are checked at once as well."""
    parts: dict[str, Any] = {}
    for name, info in EnvironmentConfig.model_fields.items():
        if name not in values:
            if not info.is_required():
                parts[name] = info.default
            continue
        try:
            parts[name] = TypeAdapter[Any](info.annotation).validate_json(json.dumps(values[name]))
        except ValidationError:
            continue
    return parts


def _problems(detail: ErrorDetails) -> list[Problem]:
    context = detail.get("ctx", {})
    if detail["type"] == "rules":
        return list(context["problems"])
    path = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        return [_unknown_key(path, detail)]
    if detail["type"] == "missing":
        return [Problem(path, "", "it is missing", "add it" + _described(detail["loc"]))]
    rule = detail["msg"][0].lower() + detail["msg"][1:]
    expected = str(context.get("expected", ""))
    fix = f"use one of {expected}" if expected else "change the value" + _described(detail["loc"])
    return [Problem(path, _shown(detail["input"]), rule, fix)]


def _unknown_key(path: str, detail: ErrorDetails) -> Problem:
    key = str(detail["loc"][-1])
    owner = _model_at(detail["loc"][:-1])
    known = sorted(set(owner.model_fields if owner else ()) - {"secrets"})
    near = difflib.get_close_matches(key, known, n=2, cutoff=0.6)
    if near:
        fix = f"did you mean {' or '.join(near)}?"
    elif any(word in key.lower() for word in ("password", "token", "secret", "api_key")):
        return Problem(path, "(hidden)", "no such key, and secrets are not plain values", "pulumi config set --secret")
    else:
        fix = f"known keys here: {', '.join(known)}"
    return Problem(path, _shown(detail["input"]), "no such key", fix)


def _described(location: tuple[int | str, ...]) -> str:
    owner = _model_at(location[:-1])
    info = owner.model_fields.get(str(location[-1])) if owner else None
    return f" ({info.description.splitlines()[0].rstrip('.')})" if info and info.description else ""


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel] | None:
    current: Any = EnvironmentConfig
    for step in location:
        if isinstance(step, int):
            continue
        owner = _inner_model(current)
        info = owner.model_fields.get(step) if owner else None
        if info is None:
            return None
        current = info.annotation
    return _inner_model(current)


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model inside `X`, `X | None` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    for argument in cast("tuple[Any, ...]", typing.get_args(annotation)):
        if (found := _inner_model(argument)) is not None:
            return found
    return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
