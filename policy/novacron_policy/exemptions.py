"""Exemptions: resources to which a policy does not apply, each with a reason and optionally a last day."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import cast

KEY = "exemptions"
SCHEMA: dict[str, dict[str, object]] = {
    KEY: {
        "type": "array",
        "description": "Resources to which this policy does not apply, each with a reason and optionally a last day.",
        "items": {
            "type": "object",
            "properties": {
                "urn": {"type": "string", "minLength": 1},
                "reason": {"type": "string", "minLength": 1},
                "until": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
            },
            "required": ["urn", "reason"],
            "additionalProperties": False,
        },
    }
}
"""The configuration of a policy. The Pulumi CLI checks it, and `read_exemptions` checks it for other callers."""


class PolicyConfigurationError(ValueError):
    """The configuration of a policy has a problem. The message names policy, key, value, rule and fix."""

    def __init__(self, policy: str, key: str, value: str | None, rule: str, fix: str) -> None:
        subject = f"{policy}.{key} is missing" if value is None else f"{policy}.{key} = {value}"
        super().__init__(f"{subject}: {rule}. {fix}")


@dataclass(frozen=True, slots=True)
class Exemption:
    """The exemption of one resource from one policy."""

    urn: str
    reason: str
    until: date | None
    """The last day on which it applies."""

    def applies(self, today: date) -> bool:
        """Return whether it still applies."""
        return self.until is None or today <= self.until


def read_exemptions(policy: str, config: Mapping[str, object]) -> list[Exemption]:
    """Return the exemptions in the configuration of a policy.

    Raises:
        PolicyConfigurationError: a key is unknown, an exemption lacks its URN or reason, or its last day is not a date.
    """
    for key, value in config.items():
        if key != KEY:
            near = difflib.get_close_matches(key, [KEY], cutoff=0.6)
            fix = f"Did you mean {KEY}?" if near else f"Remove it; a policy has {KEY} and enforcementLevel"
            raise PolicyConfigurationError(policy, key, _show(value), "it is an unknown key", fix)
    items = config.get(KEY, [])
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise PolicyConfigurationError(policy, KEY, _show(items), "it must be a list", "Write each exemption in a list")
    return [_read(policy, f"{KEY}.{index}", item) for index, item in enumerate(cast("Sequence[object]", items))]


def _read(policy: str, path: str, item: object) -> Exemption:
    if not isinstance(item, Mapping):
        rule = "an exemption is an object with urn, reason and optionally until"
        raise PolicyConfigurationError(policy, path, _show(item), rule, "Write its URN and its reason")
    values = cast("Mapping[str, object]", item)
    for key, value in values.items():
        if key not in ("urn", "reason", "until"):
            fix = "Use urn, reason or until"
            raise PolicyConfigurationError(policy, f"{path}.{key}", _show(value), "it is an unknown key", fix)
    return Exemption(
        _read_text(policy, path, values, "urn", "Copy it from the violation or from a preview"),
        _read_text(policy, path, values, "reason", "Say why this policy does not apply to the resource"),
        _read_date(policy, f"{path}.until", values.get("until")),
    )


def _read_text(policy: str, path: str, values: Mapping[str, object], key: str, fix: str) -> str:
    value = values.get(key)
    if isinstance(value, str) and value:
        return value
    shown = _show(value) if key in values else None
    raise PolicyConfigurationError(policy, f"{path}.{key}", shown, "an exemption needs it", fix)


def _read_date(policy: str, path: str, value: object) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        fix = "Write it like 2027-03-31"
        raise PolicyConfigurationError(policy, path, _show(value), "it is not a date", fix) from None


def _show(value: object) -> str:
    return str(value) if isinstance(value, str) and value else repr(value)


@dataclass(slots=True)
class ExemptionsInUse:
    """The exemptions of all policies that checked a resource during a run."""

    _by_policy: dict[str, list[Exemption]] = field(default_factory=dict[str, "list[Exemption]"])

    def find(self, policy: str, config: Mapping[str, object], urn: str) -> Exemption | None:
        """Return the exemption of a resource from a policy, whether it still applies or not.

        Raises:
            PolicyConfigurationError: the configuration of the policy has a problem.
        """
        if policy not in self._by_policy:
            self._by_policy[policy] = read_exemptions(policy, config)
        return next((item for item in self._by_policy[policy] if item.urn == urn), None)

    def list_unused(self, urns: Collection[str]) -> Iterator[tuple[str, Exemption]]:
        """Yield each exemption whose URN is not among `urns`, with its policy."""
        for policy, exemptions in self._by_policy.items():
            yield from ((policy, item) for item in exemptions if item.urn not in urns)
