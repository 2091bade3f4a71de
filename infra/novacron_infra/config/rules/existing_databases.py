"""Rules for databases of a region that exist: the network that reaches them, and the places in their ids."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.problems import MISSING, item_path, problem
from novacron_infra.config.rules.owners import check_project, check_subscription
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.sections.existing import ExistingAws, ExistingAzure, ExistingGoogle
from novacron_infra.errors import Problem

_INSIDE = "databases that exist are reached inside their network, and the region would get one of its own"


def check_existing_databases(parts: Parts) -> Iterator[Problem]:
    """Check databases that exist, as far as their ids tell."""
    regions, accounts = parts.get("regions", ()), parts.get("accounts")
    for index, region in enumerate(regions):
        path, existing = f"{item_path('regions', regions, index)}.existing", region.existing
        if existing.aws is not None:
            yield from _check_aws(f"{path}.aws", region.name, existing.aws)
        if existing.gcp is not None:
            project = accounts.google_project if accounts else None
            yield from _check_google(f"{path}.gcp", region.name, existing.gcp, project)
        if existing.azure is not None:
            subscription = accounts.azure_subscription_id if accounts else None
            yield from _check_azure(f"{path}.azure", existing.azure, subscription)


def _check_aws(path: str, region: str, existing: ExistingAws) -> Iterator[Problem]:
    arns: dict[str, str] = {}
    if existing.postgres is not None:
        arns |= {"postgres.arn": existing.postgres.arn, "postgres.secret_arn": existing.postgres.secret_arn}
    if existing.redis is not None:
        arns |= {"redis.arn": existing.redis.arn, "redis.secret_arn": existing.redis.secret_arn}
    for key, arn in arns.items():
        place = arn.split(":")[3]
        if place != region:
            yield problem(f"{path}.{key}", arn, f"it is in {place}, and the region is {region}", f"Use one in {region}")
    if arns and existing.network is None:
        yield problem(f"{path}.network", MISSING, _INSIDE, "Name the VPC of the databases and its subnets")


def _check_google(path: str, region: str, existing: ExistingGoogle, project: str | None) -> Iterator[Problem]:
    owned = {"postgres.secret": existing.postgres.secret if existing.postgres else None, "redis": existing.redis}
    for key, id_ in owned.items():
        yield from check_project(f"{path}.{key}", id_, project)
    if existing.redis is not None and existing.redis.split("/")[3] != region:
        rule = f"it is in {existing.redis.split('/')[3]}, and the region is {region}"
        yield problem(f"{path}.redis", existing.redis, rule, f"Use one in {region}")
    if (existing.postgres or existing.redis) and existing.network is None:
        yield problem(f"{path}.network", MISSING, _INSIDE, "Name the network of the databases and a subnet")


def _check_azure(path: str, existing: ExistingAzure, subscription: str | None) -> Iterator[Problem]:
    ids: dict[str, str] = {}
    if existing.postgres is not None:
        ids |= {"postgres.server_id": existing.postgres.server_id, "postgres.secret_id": existing.postgres.secret_id}
    if existing.redis is not None:
        ids |= {"redis.cluster_id": existing.redis.cluster_id, "redis.secret_id": existing.redis.secret_id}
    for key, id_ in ids.items():
        yield from check_subscription(f"{path}.{key}", id_, subscription)
