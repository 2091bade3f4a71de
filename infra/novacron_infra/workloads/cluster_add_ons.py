"""Cluster add-ons: the storage classes, device plugins and controllers that the serving stack needs in a cluster.

Each cloud chooses its classes and plugins in `<cloud>/cluster_add_ons`. Importing this module loads the Kubernetes SDK,
so regions import it only when they create add-ons. The serving stack is not here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.pools import GPU_COUNT_LABEL, GPU_TAINT
from novacron_infra.workloads.add_ons.component import ChartAddOns, ChartAddOnsArgs
from novacron_infra.workloads.pods import WITHOUT_WAITING
from novacron_infra.workloads.provider import declare_provider

FAST = "fast-ssd"
"""Storage class of workers' caches and model shards. It has this name in every cloud."""
FAST_IOPS, FAST_MIB_PER_S = 20_000, 1_000
"""Speed of a volume where the cloud offers a choice. A volume needs 40 GiB: a GiB carries at most 500 IOPS."""
_FORMER_TYPE, _FORMER_SUFFIX = "novacron:index:ClusterBase", "in-cluster"
"""Former type and name suffix of ClusterAddOns."""
_IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_PLUGIN_SOCKETS = "/var/lib/kubelet/device-plugins"
_NAMESPACE = "kube-system"
"""Kubernetes allows node-critical pods here without a quota."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeClass:
    """A storage class. A volume is created in the zone of the first pod that uses it, and deleted with its claim."""

    name: str
    provisioner: str
    parameters: Mapping[str, pulumi.Input[str]]
    default: bool = False
    """Whether claims without a class use it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DevicePlugin:
    """A DaemonSet that registers devices with the kubelet. It runs without privileges, and only on GPU nodes."""

    name: str
    image: str
    """Image with the digest that was tested: the policy `digest-pinned-image` requires one."""
    machines: tuple[str, ...] = ()
    """Machine types with the device. None: every machine with GPUs."""
    host_network: bool = False
    host_paths: tuple[str, ...] = ()
    """Folders of the node that are mounted at the same path, in addition to the kubelet's sockets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterAddOnsArgs:
    """The add-ons of a cluster."""

    volume_classes: Sequence[VolumeClass]
    device_plugins: Sequence[DevicePlugin] = ()
    former_default: str | None = None
    """The storage class that the cloud makes the default. None: it makes none."""
    charts: ChartAddOnsArgs | None = None
    """The controllers. None: none are installed."""
    default_class: bool = True
    """Whether to create the default storage class. Without it, the cluster keeps the one that it has."""


class ClusterAddOns(pulumi.ComponentResource):
    """Storage classes, device plugins and charts. Pass the cluster's provider as `providers`.

    The machine that runs the update must reach the cluster's API. Pass the cluster and its pools as `depends_on`: the
    add-ons are then created after the administrators' access and the nodes, and deleted before them.
    """

    def __init__(self, name: str, args: ClusterAddOnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("novacron:index:ClusterAddOns", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        for volumes in args.volume_classes:
            if args.default_class or not volumes.default:
                self._volume_class(name, volumes)
        if args.default_class and args.former_default is not None:
            k8s.storage.v1.StorageClassPatch(
                f"{name}-{args.former_default}",
                metadata=k8s.meta.v1.ObjectMetaPatchArgs(
                    name=args.former_default,
                    # The cloud owns the field: without force the API server rejects the change.
                    annotations={_IS_DEFAULT: "false", "pulumi.com/patchForce": "true"},
                ),
                opts=self._child,
            )
        for plugin in args.device_plugins:
            self._device_plugin(name, plugin)
        if args.charts is not None and args.charts.releases:
            ChartAddOns(name, args.charts, self._child)
        self.register_outputs({})

    def _volume_class(self, name: str, volumes: VolumeClass) -> None:
        k8s.storage.v1.StorageClass(
            f"{name}-{volumes.name}",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=volumes.name, annotations={_IS_DEFAULT: "true"} if volumes.default else None
            ),
            provisioner=volumes.provisioner,
            parameters=volumes.parameters,
            reclaim_policy="Delete",
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            # The parameters of a class are immutable, and two classes cannot share the name that claims use.
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(delete_before_replace=True)),
        )

    def _device_plugin(self, name: str, plugin: DevicePlugin) -> None:
        labels = {"app.kubernetes.io/name": plugin.name}
        paths = (_PLUGIN_SOCKETS, *plugin.host_paths)
        volumes = [f"host-{index}" for index in range(len(paths))]
        k8s.apps.v1.DaemonSet(
            f"{name}-{plugin.name}",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=plugin.name,
                namespace=_NAMESPACE,
                labels=labels,
                # The update does not wait for pods: a pool may have no nodes yet, or wait for GPU capacity.
                annotations=WITHOUT_WAITING,
            ),
            spec=k8s.apps.v1.DaemonSetSpecArgs(
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=labels),
                update_strategy=k8s.apps.v1.DaemonSetUpdateStrategyArgs(type="RollingUpdate"),
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(labels=labels),
                    spec=k8s.core.v1.PodSpecArgs(
                        priority_class_name="system-node-critical",
                        automount_service_account_token=False,
                        host_network=plugin.host_network or None,
                        affinity=k8s.core.v1.AffinityArgs(node_affinity=_select_nodes(plugin)),
                        tolerations=[k8s.core.v1.TolerationArgs(key=GPU_TAINT, operator="Exists", effect="NoSchedule")],
                        containers=[
                            k8s.core.v1.ContainerArgs(
                                name=plugin.name,
                                image=plugin.image,
                                security_context=k8s.core.v1.SecurityContextArgs(
                                    allow_privilege_escalation=False,
                                    capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"]),
                                ),
                                volume_mounts=[
                                    k8s.core.v1.VolumeMountArgs(name=volume, mount_path=path)
                                    for volume, path in zip(volumes, paths, strict=True)
                                ],
                            )
                        ],
                        volumes=[
                            k8s.core.v1.VolumeArgs(
                                name=volume, host_path=k8s.core.v1.HostPathVolumeSourceArgs(path=path)
                            )
                            for volume, path in zip(volumes, paths, strict=True)
                        ],
                    ),
                ),
            ),
            opts=self._child,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedCluster:
    """A cluster with its add-ons, and the provider for what is deployed to it next."""

    provider: k8s.Provider
    add_ons: ClusterAddOns

    def deploy_as(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """Return the options of a child of `parent` that is deployed to the cluster after the add-ons."""
        return pulumi.ResourceOptions(parent=parent, providers=[self.provider], depends_on=[self.add_ons])


def declare_cluster_add_ons(
    region: str,
    kubeconfig: pulumi.Input[str],
    args: ClusterAddOnsArgs,
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource],
) -> PreparedCluster:
    """Declare the Kubernetes provider of a region's cluster, and the add-ons.

    Args:
        region: name of the region's component, which the names of the resources begin with.
        kubeconfig: how the provider reaches the cluster.
        args: the add-ons.
        parent: the region.
        depends_on: the cluster and its pools.
    """
    former = f"{region}-{_FORMER_SUFFIX}"
    former_parent = pulumi.create_urn(former, _FORMER_TYPE, parent)
    provider = declare_provider(
        f"{region}-kubernetes",
        kubeconfig,
        pulumi.ResourceOptions(
            parent=parent, aliases=[pulumi.Alias(name=f"{former}-kubernetes", parent=former_parent)]
        ),
    )
    add_ons = ClusterAddOns(
        f"{region}-add-ons",
        args,
        pulumi.ResourceOptions(
            parent=parent,
            providers=[provider],
            depends_on=depends_on,
            aliases=[pulumi.Alias(name=former, type_=_FORMER_TYPE)],
        ),
    )
    return PreparedCluster(provider=provider, add_ons=add_ons)


def _select_nodes(plugin: DevicePlugin) -> k8s.core.v1.NodeAffinityArgs:
    wanted = [k8s.core.v1.NodeSelectorRequirementArgs(key=GPU_COUNT_LABEL, operator="Exists")]
    if plugin.machines:
        wanted.append(
            k8s.core.v1.NodeSelectorRequirementArgs(
                key="node.kubernetes.io/instance-type", operator="In", values=list(plugin.machines)
            )
        )
    return k8s.core.v1.NodeAffinityArgs(
        required_during_scheduling_ignored_during_execution=k8s.core.v1.NodeSelectorArgs(
            node_selector_terms=[k8s.core.v1.NodeSelectorTermArgs(match_expressions=wanted)]
        )
    )
