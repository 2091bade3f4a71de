"""Rules for Redis, container images, tags and cloud accounts."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.problems import MISSING, problem
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.sections.platform import Platform
from novacron_infra.errors import Problem

OWN_TAGS = ("Environment", "Project", "Component")
"""The tags that the environment sets on every resource."""
_SMALLEST_REDIS_CLUSTER = 6


def check_accounts(parts: Parts) -> Iterator[Problem]:
    """Report a missing project or subscription for the clouds that have regions."""
    platform, accounts = parts.get("platform"), parts.get("accounts")
    if platform is None or accounts is None:
        return
    clouds = {region.find_platform(platform) for region in parts.get("regions", ())}
    if Platform.GCP in clouds and accounts.google_project is None:
        rule = "regions on gcp need a Google Cloud project"
        yield problem("accounts.google_project", MISSING, rule, "Add the id of the project, such as novacron-prod")
    if Platform.AZURE in clouds and accounts.azure_subscription_id is None:
        rule = "regions on azure need a subscription"
        fix = "Add its id, as `az account show --query id` prints it"
        yield problem("accounts.azure_subscription_id", MISSING, rule, fix)


def check_tags(parts: Parts) -> Iterator[Problem]:
    """Report tags that the environment sets itself."""
    for name, value in parts.get("tags", {}).items():
        if name in OWN_TAGS:
            rule = "the environment sets this tag itself"
            yield problem(f"tags.{name}", value, rule, "Remove it, or give it another name")


def check_redis(parts: Parts) -> Iterator[Problem]:
    """Check the number of Redis nodes."""
    data = parts.get("data")
    if data is None or data.redis_nodes == 1:
        return
    if data.redis_nodes < _SMALLEST_REDIS_CLUSTER or data.redis_nodes % 2:
        rule = "a Redis cluster has at least three primaries, each with one replica"
        near = max(_SMALLEST_REDIS_CLUSTER, data.redis_nodes + 1)
        yield problem("data.redis_nodes", data.redis_nodes, rule, f"Use 1, or an even number such as {near}")


def check_images(parts: Parts) -> Iterator[Problem]:
    """Report images whose tag is latest and that have no digest."""
    images = parts.get("images")
    if images is None:
        return
    named = {
        "coordinator": images.coordinator,
        "worker": images.worker,
        "nvidia_device_plugin": images.nvidia_device_plugin,
        "efa_device_plugin": images.efa_device_plugin,
    }
    for name, image in named.items():
        if image.tag == "latest" and image.digest is None:
            rule = "this tag names another image every day"
            yield problem(f"images.{name}.tag", image.tag, rule, "Use a version such as 0.1.0, or add the digest")
