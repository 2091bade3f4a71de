"""The rule that an environment's kind is known."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.problems import MISSING, problem
from novacron_infra.config.rules.parts import Parts, find_kind
from novacron_infra.config.sections.platform import EnvironmentKind
from novacron_infra.errors import Problem


def check_kind(parts: Parts) -> Iterator[Problem]:
    """Report an environment whose kind is neither stated nor part of its name."""
    if "environment" in parts and "kind" in parts and find_kind(parts) is None:
        rule = f"the name {parts['environment']} does not say which kind of environment it is"
        kinds = ", ".join(kind.value for kind in EnvironmentKind)
        yield problem("kind", MISSING, rule, f"Add it, with one of {kinds}")
