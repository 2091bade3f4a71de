"""The Kubernetes clusters of a deployed stack: their pods, logs and drains, through the API server."""

from novacron_ops.clusters.drain import Drain
from novacron_ops.clusters.logs import LogReader
from novacron_ops.clusters.report import ClusterReport, PodReport, find_unreachable, read_reports
from novacron_ops.clusters.state import DeployedCluster, find_clusters, name_cluster

__all__ = [
    "ClusterReport",
    "DeployedCluster",
    "Drain",
    "LogReader",
    "PodReport",
    "find_clusters",
    "find_unreachable",
    "name_cluster",
    "read_reports",
]
