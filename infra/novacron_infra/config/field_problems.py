"""Turns pydantic's errors about one field into problems in plain English."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import cast

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from novacron_infra.config.environment import CloudEnvironment, EnvironmentSecrets
from novacron_infra.config.kubernetes import KubernetesEnvironment
from novacron_infra.config.local import LocalEnvironment
from novacron_infra.config.problems import HIDDEN, MISSING, join_path, problem
from novacron_infra.config.renamed_keys import find_new_key
from novacron_infra.errors import Problem
from novacron_infra.field_rules import (
    BROKEN_RULE,
    Location,
    describe_field,
    describe_rule,
    find_model_at,
    show_choices,
    suggest_choice,
)

SET_SECRETS = "set it with `pulumi config set --secret`: " + ", ".join(
    f"novacron:{key}" for key in EnvironmentSecrets.config_keys().values()
)
_TYPO_SIMILARITY = 0.6
_SECRET_WORDS = ("password", "passwd", "secret", "apikey", "credential", "privatekey")


def describe_problems(kind: type[BaseModel], values: object, details: Sequence[ErrorDetails]) -> list[Problem]:
    """Return the problems that pydantic found in `values` for the model `kind`.

    A key that is misspelt is one problem, not an unknown key and a missing one.
    """
    missing = {detail["loc"] for detail in details if detail["type"] == "missing"}
    unknown = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    misspelt = {new for location in unknown for new in _suggest_keys(kind, location, missing)[:1] if new in missing}
    return [
        _describe_problem(kind, values, detail, missing)
        for detail in details
        if detail["type"] != "missing" or detail["loc"] not in misspelt
    ]


def _describe_problem(kind: type[BaseModel], values: object, detail: ErrorDetails, missing: Set[Location]) -> Problem:
    location = detail["loc"]
    if location[-1:] == ("[key]",):
        path, key = join_path(location[:-2], values), location[-2]
        if detail["type"] == BROKEN_RULE:
            return problem(path, key, *describe_rule(kind, detail))
        return problem(path, key, "a key must not be empty", "Write a name before the colon")
    path = join_path(location, values)
    if detail["type"] == "extra_forbidden":
        return _describe_unknown_key(kind, values, detail, missing)
    if detail["type"] == "missing":
        return problem(path, MISSING, "this key is required", f"Add it{describe_field(kind, location)}")
    if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _describe_unknown_member(path, detail)
    if detail["input"] is None:
        return problem(path, None, "the key has no value", "Give it a value, or remove the key")
    rule, fix = describe_rule(kind, detail)
    found = problem(path, detail["input"], rule, f"{fix}{describe_field(kind, location)}")
    # Here a value is as it was typed: 8.0 and -0.0 are not 8 and 0.
    return replace(found, value=repr(detail["input"])) if _is_whole_float(detail["input"]) else found


def _is_whole_float(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


def _describe_unknown_member(path: str, detail: ErrorDetails) -> Problem:
    """Return the problem of a section whose `kind` is missing or is not one of its kinds."""
    context = detail.get("ctx", {})
    if "tag" not in context:
        return problem(f"{path}.kind", MISSING, "this key is required", "Add it")
    fix = suggest_choice(context["tag"], show_choices(context["expected_tags"]))
    return problem(f"{path}.kind", context["tag"], "it is not a valid value", fix)


def _suggest_keys(kind: type[BaseModel], location: Location, missing: Set[Location]) -> list[Location]:
    """Return the keys that the unknown key at `location` may stand for; first a required key that is missing."""
    new = find_new_key(location)
    if new is not None:
        return [new]
    *parents, key = location
    near = difflib.get_close_matches(str(key), _list_keys(kind, location), n=2, cutoff=_TYPO_SIMILARITY)
    return sorted(((*parents, name) for name in near), key=lambda suggested: suggested not in missing)


def _list_keys(kind: type[BaseModel], location: Location) -> list[str]:
    """Return the keys that are known next to the key at `location`."""
    owner = find_model_at(kind, location[:-1])
    return sorted(set(owner.model_fields if owner else ()) - {"secrets"})


_KINDS: dict[type[BaseModel], str] = {
    CloudEnvironment: "platform aws, gcp or azure",
    KubernetesEnvironment: "platform kubernetes",
    LocalEnvironment: "platform local",
}


def _find_other_kinds(kind: type[BaseModel], key: str) -> str:
    """Return in words the platforms whose environments have a key at the top that `kind` does not have."""
    return " and of ".join(name for other, name in _KINDS.items() if other is not kind and key in other.model_fields)


def _find_platform(values: object) -> str:
    return str(cast("Mapping[str, object]", values).get("platform")) if isinstance(values, Mapping) else ""


def _describe_unknown_key(
    kind: type[BaseModel], values: object, detail: ErrorDetails, missing: Set[Location]
) -> Problem:
    path = join_path(detail["loc"], values)
    suggested = _suggest_keys(kind, detail["loc"], missing)
    if find_new_key(detail["loc"]) is not None:
        fix = f"Rename it to {join_path(suggested[0], values)}"
        return problem(path, detail["input"], "this key has a new name", fix)
    key = str(detail["loc"][-1])
    if len(detail["loc"]) == 1 and (owners := _find_other_kinds(kind, key)):
        rule = f"it is a key of {owners}, and platform is {_find_platform(values)}"
        return problem(path, detail["input"], rule, "Remove it, or use that platform")
    near = [str(location[-1]) for location in suggested]
    plain = key.lower().replace("_", "")
    # "token" is also a word of language models: a similar key name tells the two meanings apart.
    if any(word in plain for word in _SECRET_WORDS) or ("token" in plain and not near):
        fix = f"Remove it: secrets are generated. To choose a secret yourself, {SET_SECRETS}"
        return problem(path, HIDDEN, "it is an unknown key, and secrets are not plain values", fix)
    fix = f"Did you mean {' or '.join(near)}?" if near else f"Use one of {', '.join(_list_keys(kind, detail['loc']))}"
    return problem(path, detail["input"], "it is an unknown key", fix)
