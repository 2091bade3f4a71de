"""Chooses the charts of a cluster from the configuration and the cloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from novacron_infra.config.sections.add_ons import AddOn, AddOns
from novacron_infra.config.sections.monitoring import Monitoring
from novacron_infra.config.sections.platform import Platform
from novacron_infra.workloads.add_ons import (
    cert_manager,
    container_logs,
    external_secrets,
    gateway_api,
    gpu_metrics,
    gpu_stack,
    keda,
    leader_worker_set,
    load_balancer_controller,
    monitoring_stack,
)
from novacron_infra.workloads.add_ons.charts import Release
from novacron_infra.workloads.add_ons.container_logs import CloudWatchLogs
from novacron_infra.workloads.add_ons.load_balancer_controller import AwsCluster
from novacron_infra.workloads.names import GPU_NAMESPACE


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterDescription:
    """The properties of a cluster that charts depend on."""

    platform: Platform
    monitoring: Monitoring
    worker_namespace: str = GPU_NAMESPACE
    monitoring_namespace: str = "monitoring"
    infiniband: bool = False
    """Whether GPU nodes have InfiniBand that the network operator has to set up."""
    aws: AwsCluster | None = None
    """Needed on AWS for the load balancer controller."""
    log_group: CloudWatchLogs | None = None
    """Log group of the containers on AWS, if their logs are in CloudWatch."""


def list_releases(add_ons: AddOns, cluster: ClusterDescription) -> tuple[Release, ...]:
    """Return the charts to install, each after those that it needs.

    Args:
        add_ons: the add-ons, as `AddOns.fill` returns them.
        cluster: the cluster.
    """
    monitoring_installed = add_ons.monitoring is AddOn.INSTALL
    releases = list(_list_releases(add_ons, cluster))
    if not monitoring_installed:
        return tuple(releases)
    first, *others = releases
    # ServiceMonitors of the other charts need the definition.
    return (first, *(replace(item, after=(*item.after, monitoring_stack.RELEASE)) for item in others))


def _list_releases(add_ons: AddOns, cluster: ClusterDescription) -> Iterator[Release]:
    monitors = add_ons.monitoring is not AddOn.NONE
    interval = cluster.monitoring.scrape_interval_s
    if add_ons.monitoring is AddOn.INSTALL:
        managed = cluster.platform is not Platform.KUBERNETES
        yield monitoring_stack.describe_release(
            cluster.monitoring_namespace, cluster.monitoring, managed_control_plane=managed
        )
    if add_ons.cert_manager is AddOn.INSTALL:
        yield cert_manager.describe_release(
            service_monitors=monitors, azure_identity=cluster.platform is Platform.AZURE
        )
    if add_ons.external_secrets is AddOn.INSTALL:
        yield external_secrets.describe_release(service_monitors=monitors)
    if add_ons.gateway_api is AddOn.INSTALL:
        yield gateway_api.describe_release()
    if add_ons.gpu_stack is AddOn.INSTALL:
        if cluster.infiniband:
            yield gpu_stack.describe_network_operator()
        yield gpu_stack.describe_gpu_operator(
            infiniband=cluster.infiniband, scrape_interval_s=interval, service_monitors=monitors
        )
    elif add_ons.gpu_metrics is AddOn.INSTALL:
        yield gpu_metrics.describe_release(scrape_interval_s=interval, service_monitors=monitors)
    logs = cluster.monitoring.logs
    if destination := (logs.loki if logs and logs.loki else cluster.log_group):
        yield container_logs.describe_release(destination, service_monitors=monitors)
    if add_ons.leader_worker_set is AddOn.INSTALL:
        yield leader_worker_set.describe_release(service_monitors=monitors)
    if add_ons.keda is AddOn.INSTALL:
        yield keda.describe_release(namespaces=(cluster.worker_namespace,), service_monitors=monitors)
    if add_ons.load_balancer_controller is AddOn.INSTALL and cluster.aws is not None:
        yield load_balancer_controller.describe_release(cluster.aws, service_monitors=monitors)
