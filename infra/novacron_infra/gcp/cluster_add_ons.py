"""Add-ons of a GKE cluster. GKE installs the GPU driver and device plugin itself."""

from __future__ import annotations

from collections.abc import Iterable

import pulumi

from novacron_infra.catalog import Hyperdisk, find_machine
from novacron_infra.config import Platform
from novacron_infra.pools import NodePoolShape, NodeRole
from novacron_infra.regions import ControllerCharts
from novacron_infra.workloads.add_ons.component import ChartAddOnsArgs
from novacron_infra.workloads.add_ons.selection import ClusterDescription, list_releases
from novacron_infra.workloads.cluster_add_ons import FAST, FAST_IOPS, FAST_MIB_PER_S, VolumeClass

PROVISIONER = "pd.csi.storage.gke.io"
FORMER_DEFAULT = "standard-rwo"


def list_volume_classes(pools: Iterable[NodePoolShape], key_id: pulumi.Input[str]) -> tuple[VolumeClass, ...]:
    """The fast class is for workers, the general one for the other pods. No type of disk attaches to every series."""
    key = {"disk-encryption-kms-key": key_id}
    fast: dict[str, pulumi.Input[str]] = {"type": "pd-ssd"}
    workers = [shape.machine for shape in pools if shape.role is NodeRole.WORKER]
    if workers and all(find_machine(name).gke.hyperdisk is not Hyperdisk.NONE for name in workers):
        fast = {
            "type": "hyperdisk-balanced",
            "provisioned-iops-on-create": str(FAST_IOPS),
            "provisioned-throughput-on-create": f"{FAST_MIB_PER_S}Mi",
        }
    return (
        VolumeClass(name=FAST, provisioner=PROVISIONER, parameters=fast | key),
        VolumeClass(name="general", provisioner=PROVISIONER, parameters={"type": "pd-balanced"} | key, default=True),
    )


def describe_charts(charts: ControllerCharts) -> ChartAddOnsArgs:
    """Return the controllers of a region's cluster."""
    described = ClusterDescription(platform=Platform.GCP, monitoring=charts.monitoring)
    return ChartAddOnsArgs(
        releases=list_releases(charts.add_ons, described),
        grafana_password=charts.grafana_password,
        loki_password=charts.loki_password,
    )
