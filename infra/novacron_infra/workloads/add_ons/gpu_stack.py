"""NVIDIA's GPU operator: driver, container toolkit, device plugin and DCGM exporter; its network operator: InfiniBand.

They are for AKS, whose nodes' images have none of these. A second owner of the device plugin would count GPUs twice, so
AWS and Google Cloud get no operator.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from novacron_infra.pools import INFINIBAND_PODS, INFINIBAND_RESOURCE
from novacron_infra.workloads.add_ons.charts import Chart, PodSecurity, Release, Values, key
from novacron_infra.workloads.add_ons.common_values import ExporterMonitor, Switch

GPU_OPERATOR, NETWORK_OPERATOR = "gpu-operator", "network-operator"
COUNTERS, COUNTERS_KEY = "gpu-counters", "dcgm-metrics.csv"
"""ConfigMap with the exporter's counters, and its key, in the GPU operator's namespace."""
_NVIDIA = "https://helm.ngc.nvidia.com/nvidia"
GPU_OPERATOR_CHART = Chart(
    repository=_NVIDIA,
    name="gpu-operator",
    version="v26.7.0",
    as_of="2026-08-20",
    source="github.com/NVIDIA/gpu-operator, tag v26.7.0",
)
NETWORK_OPERATOR_CHART = Chart(
    repository=_NVIDIA,
    name="network-operator",
    version="26.4.1",
    as_of="2026-07-24",
    source="github.com/Mellanox/network-operator, tag v26.4.1",
)
_IMAGES, _DRIVER_VERSION = "nvcr.io/nvidia/mellanox", "doca3.4.1-26.04-1.1.0.0-1"
_NVIDIA_NETWORKING = "15b3"
"""PCI vendor."""


@dataclass(frozen=True, kw_only=True)
class Rdma(Values):
    """How the GPU driver works with the InfiniBand driver: GPUDirect RDMA."""

    enabled: bool
    use_host_mofed: bool = False


@dataclass(frozen=True, kw_only=True)
class Driver(Values):
    """The GPU driver."""

    enabled: bool = True
    rdma: Rdma


@dataclass(frozen=True, kw_only=True)
class Counters(Values):
    """The ConfigMap with the exporter's counters."""

    name: str = COUNTERS


@dataclass(frozen=True, kw_only=True)
class DcgmExporter(Values):
    """The DCGM exporter."""

    config: Counters = Counters()
    service_monitor: ExporterMonitor


@dataclass(frozen=True, kw_only=True)
class GpuOperatorValues(Values):
    """The values that this project sets."""

    driver: Driver
    # The network operator brings the node feature discovery of both.
    nfd: Switch
    dcgm_exporter: DcgmExporter


@dataclass(frozen=True, kw_only=True)
class NetworkOperatorValues(Values):
    """The values that this project sets."""

    nfd: Switch = Switch(enabled=True)
    upgrade_definitions: bool = key("upgradeCRDs", default=True)


def describe_gpu_operator(*, infiniband: bool, scrape_interval_s: int, service_monitors: bool) -> Release:
    """Return the release of the GPU operator.

    Args:
        infiniband: whether the machines have InfiniBand.
        scrape_interval_s: seconds between two scrapes.
        service_monitors: whether the cluster has the definition of ServiceMonitors.
    """
    monitor = ExporterMonitor(enabled=service_monitors, interval=f"{scrape_interval_s}s")
    return Release(
        name=GPU_OPERATOR,
        namespace=GPU_OPERATOR,
        chart=GPU_OPERATOR_CHART,
        values=GpuOperatorValues(
            driver=Driver(rdma=Rdma(enabled=infiniband)),
            nfd=Switch(enabled=not infiniband),
            dcgm_exporter=DcgmExporter(service_monitor=monitor),
        ),
        pod_security=PodSecurity.PRIVILEGED,
        privileged_because="the operator loads the GPU driver into the node's kernel",
        # The GPU driver is built against the InfiniBand driver.
        after=(NETWORK_OPERATOR,) if infiniband else (),
    )


def describe_network_operator() -> Release:
    """Return the release of the network operator."""
    return Release(
        name=NETWORK_OPERATOR,
        namespace=NETWORK_OPERATOR,
        chart=NETWORK_OPERATOR_CHART,
        values=NetworkOperatorValues(),
        pod_security=PodSecurity.PRIVILEGED,
        privileged_because="the operator loads the InfiniBand driver into the node's kernel",
    )


def describe_infiniband() -> dict[str, Any]:
    """Return the specification of the NicClusterPolicy: the InfiniBand driver, and the plugin that counts adapters."""
    selector = {"vendors": [_NVIDIA_NETWORKING], "drivers": ["mlx5_core"], "linkTypes": ["infiniband"]}
    prefix, _, name = INFINIBAND_RESOURCE.partition("/")
    shared = {
        "resourceName": name,
        "resourcePrefix": prefix,
        "rdmaHcaMax": INFINIBAND_PODS,
        "selectors": selector,
    }
    return {
        "ofedDriver": {"image": "doca-driver", "repository": _IMAGES, "version": _DRIVER_VERSION},
        "rdmaSharedDevicePlugin": {
            "image": "k8s-rdma-shared-dev-plugin",
            "repository": _IMAGES,
            "version": f"network-operator-v{NETWORK_OPERATOR_CHART.version}",
            "config": json.dumps({"configList": [shared]}),
        },
    }
