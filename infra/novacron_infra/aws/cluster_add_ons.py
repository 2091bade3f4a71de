"""Add-ons of an EKS cluster. The nodes' images contain the driver and toolkit of the GPUs."""

from __future__ import annotations

from collections.abc import Iterable

import pulumi

from novacron_infra.aws.volumes import Gp3Volume, build_storage_class_parameters
from novacron_infra.catalog import FabricKind
from novacron_infra.config import Platform
from novacron_infra.pools import NodePoolShape
from novacron_infra.regions import ControllerCharts
from novacron_infra.workloads.add_ons.component import ChartAddOnsArgs
from novacron_infra.workloads.add_ons.load_balancer_controller import AwsCluster
from novacron_infra.workloads.add_ons.selection import ClusterDescription, list_releases
from novacron_infra.workloads.cluster_add_ons import FAST, FAST_IOPS, FAST_MIB_PER_S, DevicePlugin, VolumeClass

PROVISIONER = "ebs.csi.aws.com"
GENERAL = Gp3Volume(size_gib=6, iops=3_000, throughput_mib_per_s=125)
"""Performance that every gp3 volume has without an extra price, and the smallest size for it."""
FAST_VOLUME = Gp3Volume(size_gib=40, iops=FAST_IOPS, throughput_mib_per_s=FAST_MIB_PER_S)


def list_volume_classes(key_arn: pulumi.Input[str]) -> tuple[VolumeClass, ...]:
    """gp3 is the default: EKS has made none of its classes that since 1.30."""
    return (
        _class(FAST, FAST_VOLUME, key_arn),
        _class("gp3", GENERAL, key_arn, default=True),
    )


def list_device_plugins(pools: Iterable[NodePoolShape], nvidia_image: str, efa_image: str) -> tuple[DevicePlugin, ...]:
    """Return the device plugins of NVIDIA and, for pools with EFA, of AWS. The nodes' images have neither."""
    efa = sorted({shape.machine for shape in pools if shape.fabric is FabricKind.EFA})
    nvidia = DevicePlugin(name="nvidia-device-plugin", image=nvidia_image)
    if not efa:
        return (nvidia,)
    return (
        nvidia,
        DevicePlugin(
            name="aws-efa-k8s-device-plugin",
            image=efa_image,
            machines=tuple(efa),
            host_network=True,
            host_paths=("/dev/infiniband",),
        ),
    )


def describe_charts(charts: ControllerCharts, cluster: AwsCluster) -> ChartAddOnsArgs:
    """Return the controllers of a region's cluster."""
    described = ClusterDescription(platform=Platform.AWS, monitoring=charts.monitoring, aws=cluster)
    return ChartAddOnsArgs(releases=list_releases(charts.add_ons, described), grafana_password=charts.grafana_password)


def _class(name: str, volume: Gp3Volume, key_arn: pulumi.Input[str], default: bool = False) -> VolumeClass:
    return VolumeClass(
        name=name, provisioner=PROVISIONER, parameters=build_storage_class_parameters(volume, key_arn), default=default
    )
