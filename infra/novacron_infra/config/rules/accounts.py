"""Rules for cloud accounts, administrators, receivers of alarms and tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from novacron_infra.catalog import Cloud
from novacron_infra.config.problems import KEY, MISSING, item_path, problem
from novacron_infra.config.rules.parts import Parts, list_clouds, list_regions
from novacron_infra.config.sections.alarms import RECEIVER_KEYS
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.regions import Region
from novacron_infra.errors import Problem
from novacron_infra.limits.identities import (
    check_action_groups,
    check_admins,
    check_channels,
    check_project,
    check_receivers,
    check_subscription,
    check_topics,
)
from novacron_infra.limits.tags import check_tag
from novacron_infra.limits.tags import check_tags as check_tags_of_cloud
from novacron_infra.limits.versions import check_version
from novacron_infra.shown_values import show_key
from novacron_infra.tags import OWNER_TAG


def check_accounts(parts: Parts) -> Iterator[Problem]:
    """Check the ids of accounts, and report those that the clouds of the regions need."""
    accounts = parts.get("accounts")
    if accounts is None:
        return
    clouds = list_clouds(parts)
    if accounts.google_project is not None:
        yield from check_project(f"{KEY}.accounts.google_project", accounts.google_project)
    elif Cloud.GCP in clouds:
        rule = "regions on gcp need a Google Cloud project"
        yield problem("accounts.google_project", MISSING, rule, "Add the id of the project, such as example-prod")
    if accounts.azure_subscription_id is not None:
        yield from check_subscription(f"{KEY}.accounts.azure_subscription_id", accounts.azure_subscription_id)
    elif Cloud.AZURE in clouds:
        rule = "regions on azure need a subscription"
        fix = "Add its id, as `az account show --query id` prints it"
        yield problem("accounts.azure_subscription_id", MISSING, rule, fix)


def check_clusters(parts: Parts) -> Iterator[Problem]:
    """Check the administrators of the clusters and the version of Kubernetes, for each cloud that has regions."""
    clusters, platform, regions = parts.get("clusters"), parts.get("platform"), parts.get("regions", ())
    if clusters is not None:
        for cloud in list_clouds(parts):
            yield from check_version(f"{KEY}.clusters.version", clusters.version, cloud)
        if platform is Platform.AWS:
            yield from _check_partitions(clusters.admins, list_regions(parts, Cloud.AWS))
        if platform is not None:
            yield from check_admins(f"{KEY}.clusters.admins", clusters.admins, Cloud(platform.value))
    for index, region in enumerate(regions):
        if region.overrides is not None:
            path = f"{KEY}.{item_path('regions', regions, index)}.overrides.admins"
            yield from check_admins(path, region.overrides.admins, Cloud(region.overrides.platform.value))


def _check_partitions(admins: Sequence[str], regions: Sequence[Region]) -> Iterator[Problem]:
    """Report administrators of another partition of AWS than the regions': its accounts have no access here."""
    own = {"aws-us-gov" if region.name.startswith("us-gov-") else "aws" for region in regions}
    for index, admin in enumerate(admins):
        found = re.match(r"arn:(aws[a-z-]*):iam::[0-9]{12}:(role|user)/", admin)
        if found is not None and own and found[1] not in own:
            rule = f"it is in the partition {found[1]}, and the regions are in {' and '.join(sorted(own))}"
            fix = f"Use a role like arn:{min(own)}:iam::123456789012:role/operators"
            yield problem(f"clusters.admins.{index}", admin, rule, fix)


def check_alarms(parts: Parts) -> Iterator[Problem]:
    """Check the receivers of alarms. A topic has to be in the region on AWS that models are replicated from."""
    alarms = parts.get("alarms")
    if alarms is None:
        return
    on_aws = list_regions(parts, Cloud.AWS)
    # Without weights, which have a problem of their own, the primary region is not known.
    source = on_aws[0].name if on_aws and any(region.weight for region in parts.get("regions", ())) else None
    yield from check_topics(f"{KEY}.alarms.aws_topic_arns", alarms.aws_topic_arns, source)
    yield from check_channels(f"{KEY}.alarms.google_channels", alarms.google_channels)
    yield from check_action_groups(f"{KEY}.alarms.azure_action_groups", alarms.azure_action_groups)
    for cloud, key in RECEIVER_KEYS.items():
        yield from check_receivers(f"{KEY}.alarms.{key}", getattr(alarms, key), cloud)


def check_tags(parts: Parts) -> Iterator[Problem]:
    """Check the tags and the owner against the limits of each cloud that has regions."""
    tags, contacts = parts.get("tags", {}), parts.get("contacts")
    team = contacts.team if contacts is not None else None
    if team is not None:
        for name in tags:
            if name.lower() == OWNER_TAG.lower():
                rule = f"contacts.team sets the tag {OWNER_TAG}"
                yield problem(f"tags.{show_key(name)}", tags[name], rule, "Remove one of them")
    for cloud in list_clouds(parts):
        yield from check_tags_of_cloud(f"{KEY}.tags", tags, cloud, others=0 if team is None else 1)
        if team is not None:
            yield from check_tag(f"{KEY}.contacts.team", OWNER_TAG, team, cloud)
        if (project := parts.get("project")) is not None:
            yield from check_tag(f"{KEY}.project", "Project", project, cloud)
