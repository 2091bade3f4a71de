"""`environment`, `kind` and `platform`: the name of an environment, which rules apply to it, and where it runs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated

from novacron_infra.config.sections.base import TextPattern

LONGEST_ENVIRONMENT_NAME = 14
"""Characters, so that names made from it and from the longest region keep the limits of every cloud."""
EnvironmentName = Annotated[
    str,
    TextPattern(
        rf"(?=.{{1,{LONGEST_ENVIRONMENT_NAME}}}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
        "names of resources begin with it, so it starts with a letter, has words of lower-case letters and digits that "
        f"are joined by single hyphens, and {LONGEST_ENVIRONMENT_NAME} characters or fewer",
        "prod-eu",
    ),
]


class EnvironmentKind(str, Enum):
    """The kinds of environments. The rules of a kind are stricter the more depends on the environment."""

    DEVELOPMENT = "development"
    """For development."""
    STAGING = "staging"
    """For tests before a release."""
    PRODUCTION = "production"
    """For production. It has the strictest rules."""


KIND_WORDS: Mapping[str, EnvironmentKind] = {
    "dev": EnvironmentKind.DEVELOPMENT,
    "development": EnvironmentKind.DEVELOPMENT,
    "test": EnvironmentKind.DEVELOPMENT,
    "sandbox": EnvironmentKind.DEVELOPMENT,
    "staging": EnvironmentKind.STAGING,
    "stage": EnvironmentKind.STAGING,
    "qa": EnvironmentKind.STAGING,
    "uat": EnvironmentKind.STAGING,
    "preprod": EnvironmentKind.STAGING,
    "prod": EnvironmentKind.PRODUCTION,
    "production": EnvironmentKind.PRODUCTION,
    "live": EnvironmentKind.PRODUCTION,
}
"""The words of a name that say which kind an environment is."""
_NEGATIONS = {"no", "non", "not", "pre"}


def derive_kind(name: str) -> EnvironmentKind | None:
    """Return the kind that an environment's name states: `prod-eu` and `qa2` do, `search` and `pre-prod` do not."""
    words = [word.rstrip("0123456789") for word in name.split("-")]
    kinds = {KIND_WORDS[word] for word in words if word in KIND_WORDS}
    return kinds.pop() if len(kinds) == 1 and not _NEGATIONS.intersection(words) else None


class Platform(str, Enum):
    """Where an environment or a region runs."""

    LOCAL = "local"
    """Processes on this machine."""
    AWS = "aws"
    """Amazon Web Services."""
    GCP = "gcp"
    """Google Cloud."""
    AZURE = "azure"
    """Microsoft Azure."""
    KUBERNETES = "kubernetes"
    """A Kubernetes cluster of your own."""
