"""Tags that every resource carries: whose it is, in words that bills and searches use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OWN_TAGS = ("Environment", "Project", "Component")
"""The tags that NovaCron sets on every resource."""
OWNER_TAG = "Owner"
"""The tag with the name of the team, `contacts.team`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tags:
    """Tags of one environment."""

    environment: str
    """Its name, such as prod."""
    project: str = "novacron"
    more: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further ones, such as an owner or a cost centre."""

    def of(self, component: str, **own: str) -> dict[str, str]:
        """The tags of a resource that belongs to `component`, and its own."""
        return {
            **self.more,
            "Environment": self.environment,
            "Project": self.project,
            "Component": component,
            **own,
        }
