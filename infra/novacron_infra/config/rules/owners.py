"""Rules for ids of things that exist: their owner is the account of the environment."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.problems import problem
from novacron_infra.errors import Problem


def check_subscription(path: str, id_: str | None, subscription: str | None) -> Iterator[Problem]:
    """Check that a resource of Azure is in `accounts.azure_subscription_id`, as far as both are given."""
    if id_ is None or subscription is None:
        return
    owner = id_.split("/")[2]
    if owner.lower() != subscription.lower():
        rule = f"it is in the subscription {owner}, and accounts.azure_subscription_id is {subscription}"
        yield problem(path, id_, rule, "Name one in that subscription")


def check_project(path: str, id_: str | None, project: str | None) -> Iterator[Problem]:
    """Check that a resource of Google Cloud is in `accounts.google_project`, as far as both are given."""
    if id_ is None or project is None:
        return
    owner = id_.split("/")[1]
    if owner != project:
        rule = f"it is in the project {owner}, and accounts.google_project is {project}"
        yield problem(path, id_, rule, "Name one in that project")
