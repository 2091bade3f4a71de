"""Rules for names, log retention and model stores that several AWS components share."""

from __future__ import annotations

import re
from itertools import chain

from novacron_infra.catalog import Cloud
from novacron_infra.errors import ArgumentError, Problem, raise_problems
from novacron_infra.limits.tags import check_tag
from novacron_infra.limits.tags import check_tags as check_more_tags
from novacron_infra.regions import RegionSpec
from novacron_infra.stores import AwsStore
from novacron_infra.tags import Tags

LONGEST_NAME = 44
"""Maximum length of a component's name.

Its resources add a suffix such as -replication and 8 random characters; roles allow 64 characters. Names of resources
that allow fewer are cut: see `names`."""
_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
RETENTION_DAYS = tuple(
    int(days)
    for days in "1 3 5 7 14 30 60 90 120 150 180 365 400 545 731 1096 1827 2192 2557 2922 3288 3653".split()  # noqa: SIM905
)
"""Retention periods that CloudWatch Logs offers (API reference, PutRetentionPolicy)."""


def check_name(name: str, longest: int = LONGEST_NAME) -> list[Problem]:
    """Yield a problem if AWS would reject the names that are derived from a component's name."""
    if len(name) > longest:
        rule = f"it has {len(name)} characters, and {longest} leave room for what its resources' names add"
        return [Problem("name", name, rule, "Shorten it")]
    if not _NAME.fullmatch(name):
        return [Problem("name", name, "names are lower-case letters, digits and -", "Write it as prod-us-west-2")]
    return []


def check_retention(path: str, days: int) -> list[Problem]:
    """Yield a problem if CloudWatch Logs does not offer this retention period."""
    if days in RETENTION_DAYS:
        return []
    longer = next((item for item in RETENTION_DAYS if item > days), RETENTION_DAYS[-1])
    return [Problem(path, str(days), "CloudWatch Logs does not offer this retention period", f"Use {longer}")]


def require_store(name: str, spec: RegionSpec, *, has_plugins: bool) -> AwsStore:
    """Return the region's model store.

    Raises:
        ArgumentError: if AWS has no such store, or the cluster's add-ons have no images of device plugins.
    """
    problems: list[Problem] = []
    if spec.add_ons and not has_plugins:
        rule = "cluster add-ons on AWS include device plugins"
        problems.append(Problem(f"{name}.device_plugins", "None", rule, "Pass their images, or turn add_ons off"))
    if isinstance(spec.store, AwsStore):
        raise_problems(problems)
        return spec.store
    fix = "Use S3Store, ExistingS3Store, NewEfsStore, ExistingEfsStore or NfsStore"
    rule = "AWS has no such model store"
    raise ArgumentError([*problems, Problem(f"{name}.store", type(spec.store).__name__, rule, fix)])


def check_tags(name: str, tags: Tags) -> list[Problem]:
    """Return a problem for each tag of a component that AWS refuses."""
    own = {"Environment": tags.environment, "Project": tags.project}
    found = [check_tag(f"{name}.tags.{tag.lower()}", tag, value, Cloud.AWS) for tag, value in own.items()]
    return [*chain.from_iterable(found), *check_more_tags(f"{name}.tags", tags.more, Cloud.AWS)]
