"""Reads an environment from plain values and turns everything wrong with it into one error."""

from __future__ import annotations

import contextlib
import difflib
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from novacron_infra.config.environment import CloudEnvironment, EnvironmentSecrets
from novacron_infra.config.local import LocalEnvironment, broken_local_rules
from novacron_infra.config.problems import problem
from novacron_infra.config.renamed_keys import find_new_key
from novacron_infra.config.rules import broken_cloud_rules
from novacron_infra.config.sections.platform import Platform
from novacron_infra.errors import ConfigurationError, Problem

EnvironmentConfig: TypeAlias = LocalEnvironment | CloudEnvironment

_SHOWN_CHARACTERS = 60
_SECRET_WORDS = ("password", "passwd", "secret", "apikey", "credential", "privatekey")
_FIXES = {
    "int_type": "Write a whole number without quotes",
    "int_from_float": "Write a whole number",
    "float_type": "Write a number without quotes",
    "finite_number": "Write an ordinary number",
    "string_type": "Write a text; quote what looks like a number, a date, yes or no",
    "bool_type": "Write true or false",
    "enum": "Use one of {expected}",
    "literal_error": "Use one of {expected}",
    "greater_than": "Use more than {gt}",
    "greater_than_equal": "Use {ge} or more",
    "less_than": "Use less than {lt}",
    "less_than_equal": "Use {le} or less",
    "model_type": "Write its fields below the key",
    "tuple_type": "Write a list: each item after a dash",
}
"""By pydantic's kind of error."""


def load(mapping: object, *, secrets: EnvironmentSecrets | None = None) -> EnvironmentConfig:
    """The environment that `mapping` describes: YAML or JSON values, or JSON text as Pulumi hands it over.

    Its `platform` says of which kind it is.

    Raises:
        ConfigurationError: with every problem, each with its path, value, rule and fix.
    """
    values = _plain(mapping)
    problems: list[Problem] = []
    if values.pop("secrets", None) is not None:
        keys = ", ".join(f"novacron:{key}" for key in EnvironmentSecrets.config_keys().values())
        rule = "secrets do not belong into the plain values"
        problems.append(problem("secrets", "(hidden)", rule, f"Leave them out, or pulumi config set --secret: {keys}"))
    platform = values.get("platform")
    known_platform = platform in [item.value for item in Platform]
    if not known_platform:
        rule, known = "not one of the platforms", ", ".join(item.value for item in Platform)
        shown = _shown(platform) if "platform" in values else "missing"
        problems.append(problem("platform", shown, rule, f"Use one of {known}"))
        # So that the rest is checked as well.
        values["platform"] = Platform.AWS.value if "coordinators" in values else Platform.LOCAL.value
    is_local = values["platform"] == Platform.LOCAL.value
    kind = LocalEnvironment if is_local else CloudEnvironment
    parts, found = _checked_parts(kind, values)
    if not known_platform:
        parts.pop("platform", None)
    problems += found + (broken_local_rules(parts) if is_local else broken_cloud_rules(parts))
    if problems:
        raise ConfigurationError(problems)
    config = kind.model_validate_json(json.dumps(values))
    if secrets is not None and isinstance(config, CloudEnvironment):
        return config.model_copy(update={"secrets": secrets})
    return config


def _plain(mapping: object) -> dict[str, Any]:
    """A copy made of JSON's types only."""
    if isinstance(mapping, str):
        with contextlib.suppress(ValueError):
            mapping = json.loads(mapping)
    if not isinstance(mapping, Mapping):
        raise ConfigurationError(
            [problem("", _shown(mapping), "it must be a mapping", "Write its fields below the key")]
        )
    try:
        return json.loads(json.dumps(dict(cast("Mapping[str, Any]", mapping)), default=str))
    except (TypeError, ValueError, RecursionError) as error:
        fix = "Use texts as keys, no anchor inside itself, no number of thousands of digits"
        raise ConfigurationError([problem("", "(cannot be shown)", f"no JSON value: {error}", fix)]) from error


def _checked_parts(kind: type[BaseModel], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The parts that are valid by themselves, for the rules between them, and what is wrong with the others."""
    try:
        valid = kind.model_validate_json(json.dumps(values))
        return {name: getattr(valid, name) for name in kind.model_fields}, []
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A list whose only item is wrong is not too short as well.
        parents = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
        problems = [_problem(kind, detail) for detail in details if detail["loc"] not in parents]
        wrong = {detail["loc"][0] for detail in details}
    parts: dict[str, Any] = {}
    for name, info in kind.model_fields.items():
        if name in wrong:
            continue
        if name in values:
            annotation: Any = typing.Annotated[info.annotation, info]  # pyright: ignore[reportInvalidTypeForm] - made at run time
            adapter = TypeAdapter[Any](annotation)
            parts[name] = adapter.validate_json(json.dumps(values[name]))
        else:
            parts[name] = info.default
    return parts, problems


def _problem(kind: type[BaseModel], detail: ErrorDetails) -> Problem:
    path = ".".join(map(str, detail["loc"]))
    context = detail.get("ctx", {})
    if detail["type"] == "extra_forbidden":
        return _unknown_key(kind, path, detail)
    if detail["type"] == "missing":
        return problem(path, "missing", "this field is needed", "Add it" + _described(kind, detail["loc"]))
    if detail["type"] == "too_short":
        return problem(path, _shown(detail["input"]), "it needs at least 1 item", "Add one")
    if detail["input"] is None:
        return problem(path, "null", "there is nothing below the key", "Give it a value, or leave the key out")
    rule = detail["msg"][0].lower() + detail["msg"][1:]
    fix = _FIXES.get(detail["type"], "Change the value").format(**context)
    return problem(path, _shown(detail["input"]), rule, fix + _described(kind, detail["loc"]))


def _unknown_key(kind: type[BaseModel], path: str, detail: ErrorDetails) -> Problem:
    new_key = find_new_key(detail["loc"])
    if new_key is not None:
        return problem(path, _shown(detail["input"]), "this key has a new name", f"Rename it to {new_key}.")
    key = str(detail["loc"][-1])
    owner = _model_at(kind, detail["loc"][:-1])
    known = sorted(set(owner.model_fields if owner else ()) - {"secrets"})
    near = difflib.get_close_matches(key, known, n=2, cutoff=0.6)
    plain = key.lower().replace("_", "")
    # "token" is a word of this field as well: a near name tells the two apart.
    if any(word in plain for word in _SECRET_WORDS) or ("token" in plain and not near):
        keys = ", ".join(f"novacron:{name}" for name in EnvironmentSecrets.config_keys().values())
        rule = "no such key, and secrets are not plain values"
        return problem(path, "(hidden)", rule, f"Leave it out: it is generated. Or pulumi config set --secret: {keys}")
    fix = f"Did you mean {' or '.join(near)}?" if near else f"Known here: {', '.join(known)}"
    return problem(path, _shown(detail["input"]), "no such key", fix)


def _described(kind: type[BaseModel], location: tuple[int | str, ...]) -> str:
    owner = _model_at(kind, location[:-1])
    info = owner.model_fields.get(str(location[-1])) if owner else None
    return f" ({info.description.splitlines()[0].rstrip('.')})" if info and info.description else ""


def _model_at(kind: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    current: Any = kind
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
    for argument in typing.get_args(annotation):
        if (found := _inner_model(argument)) is not None:
            return found
    return None


def _shown(value: object) -> str:
    """As JSON writes it. What is in a list or mapping is not repeated: there may be secrets in it."""
    if isinstance(value, Mapping | list) and value:
        return "a mapping" if isinstance(value, Mapping) else "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
