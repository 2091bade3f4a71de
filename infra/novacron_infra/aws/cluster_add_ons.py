"""Add-ons of an EKS cluster. The nodes' images contain the driver and toolkit of the GPUs."""

from __future__ import annotations

from collections.abc import Iterable

import pulumi

from novacron_infra.aws.iam import render_policy
from novacron_infra.aws.identity import EksPodRole, EksPodRoleArgs
from novacron_infra.aws.volumes import Gp3Volume, build_storage_class_parameters
from novacron_infra.catalog import FabricKind
from novacron_infra.config import Platform
from novacron_infra.pools import NodePoolShape
from novacron_infra.regions import ControllerCharts
from novacron_infra.tags import Tags
from novacron_infra.workloads.add_ons import load_balancer_controller
from novacron_infra.workloads.add_ons.component import ChartAddOnsArgs
from novacron_infra.workloads.add_ons.container_logs import CloudWatchLogs
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


def list_device_plugins(
    pools: Iterable[NodePoolShape], nvidia_image: str | None, efa_image: str
) -> tuple[DevicePlugin, ...]:
    """Return the device plugins of NVIDIA and, for pools with EFA, of AWS. The nodes' images have neither.

    Args:
        pools: the node pools.
        nvidia_image: image of NVIDIA's plugin. None: the cluster has it already.
        efa_image: image of the plugin of EFA.
    """
    efa = sorted({shape.machine for shape in pools if shape.fabric is FabricKind.EFA})
    plugins = [] if nvidia_image is None else [DevicePlugin(name="nvidia-device-plugin", image=nvidia_image)]
    if efa:
        plugins.append(
            DevicePlugin(
                name="aws-efa-k8s-device-plugin",
                image=efa_image,
                machines=tuple(efa),
                host_network=True,
                host_paths=("/dev/infiniband",),
            )
        )
    return tuple(plugins)


def describe_charts(
    charts: ControllerCharts, cluster: AwsCluster, log_group: CloudWatchLogs | None = None
) -> ChartAddOnsArgs:
    """Return the controllers of a region's cluster."""
    described = ClusterDescription(
        platform=Platform.AWS, monitoring=charts.monitoring, aws=cluster, log_group=log_group
    )
    return ChartAddOnsArgs(
        releases=list_releases(charts.add_ons, described),
        grafana_password=charts.grafana_password,
        loki_password=charts.loki_password,
    )


def declare_controller_role(
    name: str,
    cluster_name: pulumi.Input[str],
    target_group_arn: pulumi.Output[str],
    tags: Tags,
    account_id: str | None,
    opts: pulumi.ResourceOptions,
) -> EksPodRole:
    """Declare the role of AWS Load Balancer Controller, which registers pods in the region's target group only.

    Args:
        name: name of the region's component, which the names of the resources begin with.
        cluster_name: the cluster that the controller is in.
        target_group_arn: the target group.
        tags: tags of the resources.
        account_id: AWS account of the cluster. None: the one that STS returns.
        opts: Pulumi's options.
    """
    args = EksPodRoleArgs(
        cluster_name=cluster_name,
        namespace=load_balancer_controller.NAMESPACE,
        service_account=load_balancer_controller.SERVICE_ACCOUNT,
        policy=target_group_arn.apply(_registers_targets),
        tags=tags,
        account_id=account_id,
    )
    return EksPodRole(f"{name}-load-balancer", args, opts)


def _class(name: str, volume: Gp3Volume, key_arn: pulumi.Input[str], default: bool = False) -> VolumeClass:
    return VolumeClass(
        name=name, provisioner=PROVISIONER, parameters=build_storage_class_parameters(volume, key_arn), default=default
    )


def _registers_targets(target_group_arn: str) -> str:
    return render_policy(
        {
            "Effect": "Allow",
            "Action": ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"],
            "Resource": target_group_arn,
        },
        {
            "Effect": "Allow",
            # None of these can be limited to a resource.
            "Action": [
                "ec2:DescribeAvailabilityZones",
                "ec2:DescribeInstances",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeTargetHealth",
            ],
            "Resource": "*",
        },
    )
