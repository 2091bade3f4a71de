"""Rules for clusters of a region that exist: the network that they are in, and the places in their ids."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.problems import MISSING, item_path, problem
from novacron_infra.config.rules.owners import check_project, check_subscription
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.sections.existing import ExistingAws, ExistingAzure, ExistingGoogle
from novacron_infra.errors import Problem

_INSIDE = "a cluster that exists is in a network that exists, and the region would get one of its own"


def check_existing_clusters(parts: Parts) -> Iterator[Problem]:
    """Check clusters that exist, as far as their ids tell."""
    regions, accounts = parts.get("regions", ()), parts.get("accounts")
    for index, region in enumerate(regions):
        path = item_path("regions", regions, index)
        existing = region.existing
        if existing.aws is not None:
            yield from _check_aws(f"{path}.existing.aws", existing.aws)
        if existing.gcp is not None:
            project = accounts.google_project if accounts else None
            yield from _check_google(f"{path}.existing.gcp", region.name, existing.gcp, project)
        if existing.azure is not None:
            subscription = accounts.azure_subscription_id if accounts else None
            yield from _check_azure(f"{path}.existing.azure", existing.azure, subscription)
        if existing.cluster is not None and region.control_plane_zones:
            rule = f"the region has no control plane of its own, but the cluster {existing.cluster}"
            yield problem(f"{path}.control_plane_zones", region.control_plane_zones, rule, "Remove this key")


def _check_aws(path: str, existing: ExistingAws) -> Iterator[Problem]:
    if existing.cluster is not None and existing.network is None:
        yield problem(f"{path}.network", MISSING, _INSIDE, "Name the VPC of the cluster and its subnets")


def _check_google(path: str, region: str, existing: ExistingGoogle, project: str | None) -> Iterator[Problem]:
    cluster = existing.cluster
    if cluster is None:
        return
    location = cluster.split("/")[3]
    if location != region:
        rule = f"it is in {location}, and the region is {region}"
        yield problem(f"{path}.cluster", cluster, rule, f"Name a regional cluster in {region}")
    yield from check_project(f"{path}.cluster", cluster, project)
    if existing.network is None:
        yield problem(f"{path}.network", MISSING, _INSIDE, "Name the network of the cluster and its subnet")


def _check_azure(path: str, existing: ExistingAzure, subscription: str | None) -> Iterator[Problem]:
    cluster, network = existing.cluster_id, existing.network
    if network is not None:
        yield from _check_api_server_subnet(f"{path}.network.api_server_subnet", network.api_server_subnet, cluster)
    if cluster is None:
        return
    yield from check_subscription(f"{path}.cluster_id", cluster, subscription)
    if network is None:
        yield problem(f"{path}.network", MISSING, _INSIDE, "Name the virtual network of the cluster and its subnets")


def _check_api_server_subnet(path: str, subnet: str | None, cluster: str | None) -> Iterator[Problem]:
    if subnet is None and cluster is None:
        rule = "the control plane of the cluster that is created needs a subnet"
        yield problem(
            path, MISSING, rule, "Name a subnet that is delegated to Microsoft.ContainerService/managedClusters"
        )
    elif subnet is not None and cluster is not None:
        rule = "the region has no control plane of its own, but a cluster that exists"
        yield problem(path, subnet, rule, "Remove this key")
