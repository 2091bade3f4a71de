"""Tags that a cloud accepts on every resource that NovaCron creates there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from novacron_infra.catalog import Cloud
from novacron_infra.errors import Problem
from novacron_infra.shown_values import SHOWN_CHARACTERS, show_key, show_value
from novacron_infra.tags import OWN_TAGS


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limits:
    """The limits of one cloud."""

    cloud: str
    most: int
    """Tags on a resource, with those that NovaCron adds."""
    own: int
    """Tags that NovaCron adds to a resource."""
    name_characters: int
    value_characters: int
    name: re.Pattern[str]
    name_rule: str
    reserved: re.Pattern[str]
    reserved_rule: str
    value: re.Pattern[str] | None = None
    """None: a value has any characters."""
    value_rule: str = ""
    written: Callable[[str], str] = str
    """How the cloud gets names and values."""


_AWS_TEXT = re.compile(r"[\w \t+\-=.:/@]*")
_LIMITS = {
    # Amazon EC2 User Guide, "Tag your Amazon EC2 resources", restrictions; read on 2026-11-30. EC2 allows more
    # characters than IAM, KMS and EKS, which get the same tags.
    Cloud.AWS: _Limits(
        cloud="AWS",
        most=50,
        own=len(OWN_TAGS) + 2,  # Name, and the role of a subnet
        name_characters=128,
        value_characters=256,
        name=_AWS_TEXT,
        name_rule="a tag's name on AWS has letters, digits, spaces and + - = . _ : / @",
        reserved=re.compile(r"aws:", re.IGNORECASE),
        reserved_rule="AWS reserves names that begin with aws:",
        value=_AWS_TEXT,
        value_rule="a tag's value on AWS has letters, digits, spaces and + - = . _ : / @",
    ),
    # Google Cloud, Resource Manager, "Labels overview", requirements; read on 2026-11-30.
    Cloud.GCP: _Limits(
        cloud="Google Cloud",
        most=64,
        own=len(OWN_TAGS),
        name_characters=63,
        value_characters=63,
        name=re.compile(r"[a-z][a-z0-9_-]*"),
        name_rule="a label's name on Google Cloud starts with a letter and has letters, digits, - and _",
        reserved=re.compile(r"goog"),
        reserved_rule="Google Cloud reserves names that begin with goog",
        value=re.compile(r"[a-z0-9_-]*"),
        value_rule="a label's value on Google Cloud has letters, digits, - and _",
        written=str.lower,
    ),
    # Azure Resource Manager, "Use tags to organize your Azure resources", limitations; read on 2026-11-30. Zones of
    # Azure DNS have 15 tags, whose names have no spaces and no special characters; keys and secrets of Key Vault have
    # 15 as well. Storage accounts have names of 128 characters. Other resources allow more, and all get the same tags.
    Cloud.AZURE: _Limits(
        cloud="Azure",
        most=15,
        own=len(OWN_TAGS),
        name_characters=128,
        value_characters=256,
        name=re.compile(r"[A-Za-z][A-Za-z0-9_.-]*"),
        name_rule="a tag's name on Azure starts with a letter and has letters, digits, hyphens, underscores and dots",
        reserved=re.compile(r"microsoft|azure|windows", re.IGNORECASE),
        reserved_rule="Azure reserves names that begin with microsoft, azure or windows",
    ),
}


def check_tags(path: str, tags: Mapping[str, str], cloud: Cloud, others: int = 0) -> Iterator[Problem]:
    """Yield a problem for each tag that the cloud refuses on any resource.

    Args:
        path: the path of the tags.
        tags: their values by name, without those that NovaCron adds.
        cloud: the cloud of the resources.
        others: further tags, which another key of the configuration sets.
    """
    limits = _LIMITS[cloud]
    own = limits.own + others
    allowed = limits.most - own
    if len(tags) > allowed:
        rule = f"{limits.cloud} allows {limits.most} tags on a resource, of which NovaCron sets {own}"
        yield Problem(path, f"{len(tags)} tags", rule, f"Keep at most {allowed}")
        return
    names: dict[str, str] = {}
    for name, value in tags.items():
        where, folded = f"{path}.{show_key(name)}", name.lower()
        if folded in _OWN_NAMES:
            rule, fix = f"NovaCron sets the tag {_OWN_NAMES[folded]} itself", "Remove it, or give it another name"
            yield Problem(where, show_value(value), rule, fix)
        elif folded in names:
            rule = f"{names[folded]} is the same name: {limits.cloud} ignores upper and lower case"
            yield Problem(where, show_value(value), rule, "Remove one of them")
        names[folded] = name
        yield from check_tag(where, name, value, cloud)


_OWN_NAMES = {name.lower(): name for name in OWN_TAGS}


def check_tag(path: str, name: str, value: str, cloud: Cloud) -> Iterator[Problem]:
    """Yield a problem for a name or a value that the cloud refuses.

    Args:
        path: the path of the value.
        name: the name.
        value: the value.
        cloud: the cloud of the resources.
    """
    limits = _LIMITS[cloud]
    shown, name, value = show_value(value), limits.written(name), limits.written(value)
    if len(name) > limits.name_characters:
        rule = f"the name has {len(name)} characters, and {limits.cloud} allows {limits.name_characters}"
        yield Problem(path, shown, rule, "Shorten the name")
    if name != name.strip():
        yield Problem(path, shown, "clouds remove the spaces around a tag's name", f"Write it as {name.strip()}")
    elif limits.reserved.match(name):
        yield Problem(path, shown, limits.reserved_rule, "Give it another name")
    elif not limits.name.fullmatch(name):
        yield Problem(path, shown, limits.name_rule, f"Write the name like {_keep(limits.name, name) or 'cost-center'}")
    if value != value.strip():
        yield Problem(path, shown, "clouds remove the spaces around a tag's value", f"Write it as {value.strip()}")
        return
    if len(value) > limits.value_characters:
        rule = f"the value has {len(value)} characters, and {limits.cloud} allows {limits.value_characters}"
        yield Problem(path, shown, rule, "Shorten the value")
    if limits.value is not None and not limits.value.fullmatch(value):
        yield Problem(path, shown, limits.value_rule, f"Write it like {_keep(limits.value, value) or 'research'}")


def _keep(pattern: re.Pattern[str], text: str) -> str:
    """Return the parts of `text` that match, joined by hyphens; empty if none is left to begin with."""
    parts = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:SHOWN_CHARACTERS]
    return parts if pattern.fullmatch(parts) else ""
