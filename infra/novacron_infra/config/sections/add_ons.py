"""`add_ons`: the controllers that the serving stack uses in a cluster."""

from __future__ import annotations

from enum import Enum
from typing import Any

from novacron_infra.config.sections.base import Section
from novacron_infra.config.sections.platform import Platform

INSTALLED_PROMETHEUS_URL = "http://monitoring-prometheus.monitoring.svc:9090"
"""Address, inside its cluster, of the Prometheus that `monitoring: install` brings to a cloud's cluster."""


class AddOn(str, Enum):
    """Whether an add-on is in the cluster, and whether the stack installs it."""

    INSTALL = "install"
    """The stack installs it, from a pinned Helm chart."""
    EXISTING = "existing"
    """The cluster has it already. The stack creates the objects that need it."""
    NONE = "none"
    """The cluster does not have it. The stack creates no object that needs it."""


class AddOns(Section):
    """The controllers of a cluster. In a cloud, they need `clusters.add_ons`.

    Left out: with `clusters.serving` what the cloud needs, as docs/cluster-add-ons.md states; otherwise `none`.
    """

    cert_manager: AddOn | None = None
    """cert-manager: certificates for the traffic between coordinators and workers."""
    external_secrets: AddOn | None = None
    """External Secrets Operator: secrets from the cloud's secret manager."""
    keda: AddOn | None = None
    """KEDA: autoscaling of workers."""
    leader_worker_set: AddOn | None = None
    """LeaderWorkerSet: workers that span nodes."""
    monitoring: AddOn | None = None
    """kube-prometheus-stack: Prometheus and its operator, Alertmanager, and Grafana if `monitoring.grafana` is set."""
    gpu_stack: AddOn | None = None
    """NVIDIA's GPU operator, and its network operator for InfiniBand. Azure needs them; AWS gets device plugins."""
    gpu_metrics: AddOn | None = None
    """NVIDIA's DCGM exporter, where no other add-on brings it."""
    load_balancer_controller: AddOn | None = None
    """AWS Load Balancer Controller: it registers coordinators with the region's load balancer."""
    gateway_api: AddOn | None = None
    """The definitions of the Gateway API. Gateways need a controller of your own, unless the cloud has one."""

    def fill(self, platform: Platform, *, serving: bool = False) -> AddOns:
        """Return the add-ons of a cluster: these, and the platform's defaults for what is left out.

        Args:
            platform: the cluster's platform.
            serving: whether a cloud's cluster has the serving stack. Without it, nothing there needs controllers.
        """
        given: dict[str, Any] = {
            name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None
        }
        defaults = _FOR_SERVING.get(platform, NO_ADD_ONS) if serving else NO_ADD_ONS
        return defaults.model_copy(update=given)


NO_ADD_ONS = AddOns(**dict.fromkeys(AddOns.model_fields, AddOn.NONE))
"""No add-ons."""


def _with(base: AddOns, choice: AddOn, *names: str) -> AddOns:
    return base.model_copy(update=dict.fromkeys(names, choice))


_IN_EVERY_CLOUD = _with(
    NO_ADD_ONS, AddOn.INSTALL, "cert_manager", "external_secrets", "keda", "leader_worker_set", "monitoring"
)
_FOR_SERVING = {
    Platform.AWS: _with(_IN_EVERY_CLOUD, AddOn.INSTALL, "gpu_metrics", "load_balancer_controller"),
    # GKE brings the GPU driver, the device plugin, a DCGM exporter and the Gateway API.
    Platform.GCP: _with(_IN_EVERY_CLOUD, AddOn.EXISTING, "gpu_stack", "gpu_metrics", "gateway_api"),
    # The GPU operator brings the DCGM exporter.
    Platform.AZURE: _with(_IN_EVERY_CLOUD, AddOn.INSTALL, "gpu_stack", "gpu_metrics"),
}
