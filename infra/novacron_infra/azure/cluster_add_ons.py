"""Add-ons of an AKS cluster.

No device plugins: the owner of the GPU stack is the GPU operator, which brings its own, and the network operator brings
InfiniBand's. A second one would count every GPU twice.
"""

from __future__ import annotations

from collections.abc import Iterable

import pulumi

from novacron_infra.catalog import FabricKind
from novacron_infra.config import Platform
from novacron_infra.pools import NodePoolShape, NodeRole
from novacron_infra.regions import ControllerCharts
from novacron_infra.workloads.add_ons.component import ChartAddOnsArgs
from novacron_infra.workloads.add_ons.selection import ClusterDescription, list_releases
from novacron_infra.workloads.cluster_add_ons import FAST, FAST_IOPS, FAST_MIB_PER_S, VolumeClass

PROVISIONER = "disk.csi.azure.com"
FORMER_DEFAULT = "default"


def list_volume_classes(
    pools: Iterable[NodePoolShape], encryption_set_id: pulumi.Input[str]
) -> tuple[VolumeClass, ...]:
    """The fast class is Premium SSD v2 where workers are in zones: it attaches to no machine outside of one."""
    key = {"diskEncryptionSetID": encryption_set_id}
    fast: dict[str, pulumi.Input[str]] = {"skuName": "Premium_LRS"}
    workers = [shape for shape in pools if shape.role is NodeRole.WORKER]
    if workers and all(shape.zones for shape in workers):
        fast = {
            "skuName": "PremiumV2_LRS",
            "cachingMode": "None",
            "DiskIOPSReadWrite": str(FAST_IOPS),
            "DiskMBpsReadWrite": str(FAST_MIB_PER_S),
        }
    return (
        VolumeClass(name=FAST, provisioner=PROVISIONER, parameters=fast | key),
        VolumeClass(
            name="general",
            provisioner=PROVISIONER,
            parameters={"skuName": "StandardSSD_LRS"} | key,
            default=True,
        ),
    )


def describe_charts(charts: ControllerCharts, pools: Iterable[NodePoolShape]) -> ChartAddOnsArgs:
    """Return the controllers of a region's cluster."""
    infiniband = any(shape.fabric is FabricKind.INFINIBAND for shape in pools)
    described = ClusterDescription(platform=Platform.AZURE, monitoring=charts.monitoring, infiniband=infiniband)
    return ChartAddOnsArgs(
        releases=list_releases(charts.add_ons, described),
        grafana_password=charts.grafana_password,
        loki_password=charts.loki_password,
    )
