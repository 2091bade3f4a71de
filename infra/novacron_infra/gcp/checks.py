"""Rules for names, labels and networks that several Google Cloud components share."""

from __future__ import annotations

import re

from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem
from novacron_infra.limits.names import LABEL_VALUE
from novacron_infra.limits.tags import check_tags
from novacron_infra.names import shorten_name
from novacron_infra.tags import Tags

NAME_CHARACTERS = 63
"""Pattern of most names on Google Cloud."""
LONGEST_NAME = 39
"""Maximum length of a component's name, which gets a suffix of up to 16 characters and 8 random ones."""
_LONGEST_ACCOUNT_ID = 30
_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")


def check_name(name: str, longest: int = LONGEST_NAME) -> list[Problem]:
    """Whether the names made from a component's name will be accepted."""
    if len(name) > longest:
        rule = f"it has {len(name)} characters, and names made from it may have {longest} of it"
        return [Problem("name", name, rule, "Shorten it")]
    if not _NAME.fullmatch(name):
        return [Problem("name", name, "names are lower-case letters, digits and -", "Write it as prod-us-central1")]
    return []


def make_account_id(name: str) -> str:
    """Return the id of the account of this name, which is cut if it is too long."""
    return shorten_name(name, _LONGEST_ACCOUNT_ID)


def build_labels(tags: Tags, component: str) -> dict[str, str]:
    """Return the labels of a resource that belongs to `component`: its tags in lower case."""
    return {key.lower(): value.lower() for key, value in tags.of(component).items()}


def check_labels(name: str, tags: Tags) -> list[Problem]:
    """Return the problems of the labels that are made from `tags`."""
    own = {f"{name}.tags.environment": tags.environment, f"{name}.tags.project": tags.project}
    return [
        *(problem for path, value in own.items() for problem in LABEL_VALUE.check(path, value.lower())),
        *check_tags(f"{name}.tags", tags.more, Cloud.GCP),
    ]
