"""Resources that a policy leaves alone: by URN, with the reason, and for as long as it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

SCHEMA: dict[str, dict[str, Any]] = {
    "exemptions": {
        "type": "array",
        "description": "resources that this policy leaves alone, each with the reason and, if it ends, its last day",
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
"""A policy's configuration. The CLI checks it; `Exemption.parse` does for those who do not."""


@dataclass(frozen=True, slots=True)
class Exemption:
    """One resource's exemption from one policy."""

    urn: str
    reason: str
    until: date | None
    """The last day on which it holds."""

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Exemption:
        """From the configuration. Raises `ValueError` for one without URN or reason, or with a date that is none."""
        urn, reason, until = data.get("urn"), data.get("reason"), data.get("until")
        if not urn or not reason or set(data) - {"urn", "reason", "until"}:
            raise ValueError(f"an exemption has urn and reason, and may have until; this one is {dict(data)}")
        return cls(urn, reason, date.fromisoformat(until) if until is not None else None)

    def holds(self, today: date) -> bool:
        """Whether it is still in force."""
        return self.until is None or today <= self.until


def exemption(config: Mapping[str, Any], urn: str) -> Exemption | None:
    """The resource's exemption in a policy's configuration, ended or not."""
    found = [Exemption.parse(data) for data in config.get("exemptions", [])]
    return next((item for item in found if item.urn == urn), None)
