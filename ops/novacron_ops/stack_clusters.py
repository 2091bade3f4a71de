"""The clusters of a deployed stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from novacron_ops.backends import Backend, NotDeployedError
from novacron_ops.errors import OpsError
from novacron_ops.project import ProjectStack

if TYPE_CHECKING:
    from novacron_ops.clusters import ClusterReport, DeployedCluster


def find_stack_clusters(backend: Backend) -> list[DeployedCluster]:
    """Return the clusters in which the stack's state has objects; empty for a stack that is not deployed."""
    from novacron_ops.clusters import find_clusters

    try:
        return find_clusters(backend.export_state(show_secrets=True))
    except NotDeployedError:
        return []


def require_workloads(stack: ProjectStack, backend: Backend) -> list[DeployedCluster]:
    """Return the clusters in which the stack's state has workloads.

    Raises:
        OpsError: if there are none.
    """
    if found := [cluster for cluster in find_stack_clusters(backend) if cluster.workloads]:
        return found
    raise OpsError(f"stack {stack.name} has no workloads in a cluster; `novacron up -s {stack.name}` deploys it")


def read_cluster_reports(backend: Backend) -> list[ClusterReport]:
    """Return a report of each cluster in which the stack's state has objects."""
    from novacron_ops.clusters import read_reports

    return read_reports(find_stack_clusters(backend))
