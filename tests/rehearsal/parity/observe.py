"""Observations of one step, in the same JSON form for the engine and the CLI.

    {"preview": {"ok": true, "steps": [["create", "testing:index:Thing::a"], …], "details": {"…": {"size": "update"}}},
     "run": {"ok": true, "steps": […], "details": {…}},
     "calls": [["Create", "a"], …],           what the providers were asked, in order; sorted unless the step is ordered
     "state": {"testing:index:Thing::a": {…}}, "pending": ["creating a"]}

Left out: times, source positions and stack traces, ids of providers, serialised code, and what either engine keeps for
itself (`__internal`). Secrets are compared in plain text, marked as secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tests.rehearsal.parity.provider import SIGNATURE

_LEFT_OUT = {"created", "modified", "sourcePosition", "stackTrace", "urn"}
_SECRET = "1b47061264138c4ac30d75fd1eb44270"


def short(urn: str) -> str:
    """A URN without its stack and project: the types of its parents and its own, and its name."""
    return urn.split("::", 2)[2] if urn.startswith("urn:pulumi:") else urn


def steps(taken: Iterable[tuple[str, str, dict[str, str] | None]]) -> dict[str, Any]:
    """Steps as (operation, URN, detailed diff), in an order of their own."""
    listed = sorted((op, short(urn), json.dumps(detail, sort_keys=True)) for op, urn, detail in taken)
    return {
        "steps": [[op, where] for op, where, _ in listed],
        "details": {
            f"{op} {where}": json.loads(detail) for op, where, detail in listed if detail not in ("null", "{}")
        },
    }


def calls(made: Sequence[list[str]], *, ordered: bool) -> list[list[str]]:
    """The providers' calls."""
    return [list(call) for call in (made if ordered else sorted(made))]


def state(exported: dict[str, Any]) -> dict[str, Any]:
    """The resources of an export (with plain secrets) by short URN; replaced ones that wait for their end after `#`."""
    resources: list[dict[str, Any]] = exported["deployment"].get("resources") or []
    ids = {item["id"]: f"<id of {short(item['urn'])}>" for item in resources if _is_provider(item) and item.get("id")}
    found: dict[str, Any] = {}
    for item in resources:
        key = short(item["urn"]) + ("#" if item.get("delete") else "")
        while key in found:
            key += "#"
        found[key] = _normal({name: value for name, value in item.items() if name not in _LEFT_OUT}, ids)
    return found


def pending(exported: dict[str, Any]) -> list[str]:
    """The operations that a run left open."""
    operations: list[dict[str, Any]] = exported["deployment"].get("pending_operations") or []
    return sorted(f"{item['type']} {short(item['resource']['urn'])}" for item in operations)


def _is_provider(item: dict[str, Any]) -> bool:
    return item["type"].startswith("pulumi:providers:")


def _normal(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_normal(item, ids) for item in value]
    if isinstance(value, str):
        for identifier, replacement in ids.items():
            value = value.replace(identifier, replacement)
        return value
    if not isinstance(value, dict):
        return value
    if value.get(SIGNATURE) == _SECRET:
        plain = json.loads(value["plaintext"]) if "plaintext" in value else value.get("value")
        return {"secret": _normal(plain, ids)}
    kept: dict[str, Any] = {}
    for key, item in value.items():
        if key == "__internal" or item is None:
            continue
        if key == "__provider":
            kept[key] = "<code>"
        elif key in ("dependencies", "propertyDependencies", "inputs", "outputs") and not item:
            continue
        elif key == "dependencies":
            kept[key] = sorted(_normal(item, ids))
        elif key == "propertyDependencies":
            kept[key] = {name: sorted(_normal(urns or [], ids)) for name, urns in item.items()}
        else:
            kept[key] = _normal(item, ids)
    return kept
