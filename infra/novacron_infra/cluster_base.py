"""What a cluster has before anything is deployed to it: storage classes, and device plugins, which count its GPUs.

The same in every cloud; each cloud says which classes and plugins (`<cloud>/in_cluster`). Importing this loads the SDK
of Kubernetes, so regions import it only where it is wanted. Not for the serving stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

FAST = "fast-ssd"
"""The class for workers' caches and model shards, so called in every cloud."""
FAST_IOPS, FAST_MIB_PER_S = 20_000, 1_000
"""Of a volume of it, where the cloud lets one choose; it takes 40 GiB or more, since a GiB carries 500 IOPS at most."""
GPU_LABEL = "nvidia.com/gpu.count"
"""Every pool puts it on its nodes with GPUs, and on no others."""
_GPU_TAINT = "nvidia.com/gpu"
_IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_PLUGIN_SOCKETS = "/var/lib/kubelet/device-plugins"
_NAMESPACE = "kube-system"
"""Where Kubernetes lets pods be critical to a node without a quota for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeClass:
    """A storage class. Volumes are made in the zone of the pod that first uses them, and go with their claim."""

    name: str
    provisioner: str
    parameters: Mapping[str, pulumi.Input[str]]
    default: bool = False
    """Whether claims that name no class get it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DevicePlugin:
    """A DaemonSet that tells the kubelet of devices: without privileges, on nodes with GPUs only."""

    name: str
    image: str
    """End it with the digest that was tested: the policy `digest-pinned-image` asks for it."""
    machines: tuple[str, ...] = ()
    """Machine types that have the device; none: all with GPUs."""
    host_network: bool = False
    host_paths: tuple[str, ...] = ()
    """Folders of the node that it sees at the same path, beside the kubelet's sockets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterBaseArgs:
    """What is in a cluster from the start."""

    kubeconfig: pulumi.Input[str]
    volume_classes: Sequence[VolumeClass]
    device_plugins: Sequence[DevicePlugin] = ()
    former_default: str | None = None
    """The class that the cloud makes the default one; None: there is none."""


class ClusterBase(pulumi.ComponentResource):
    """Storage classes and device plugins, through a provider of this cluster's own: a dead cluster is nobody else's.

    Whoever runs the update reaches the cluster's API. Give it `depends_on` the cluster and the pools: it is then made
    after those who may sign in and the nodes that plugins run on, and deleted before them.
    """

    provider: k8s.Provider

    def __init__(self, name: str, args: ClusterBaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("novacron:index:ClusterBase", name, None, opts)
        # Neither `skip_update_unreachable` nor `delete_unreachable`: a cluster that does not answer is an error, not a
        # success without an update, and nothing is forgotten that still exists.
        self.provider = k8s.Provider(
            f"{name}-kubernetes",
            kubeconfig=args.kubeconfig,
            enable_server_side_apply=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._child = pulumi.ResourceOptions(parent=self, provider=self.provider)
        for volumes in args.volume_classes:
            self._volume_class(name, volumes)
        if args.former_default is not None:
            k8s.storage.v1.StorageClassPatch(
                f"{name}-{args.former_default}",
                metadata=k8s.meta.v1.ObjectMetaPatchArgs(
                    name=args.former_default,
                    # The field is the cloud's: without force the API server refuses to let another own it.
                    annotations={_IS_DEFAULT: "false", "pulumi.com/patchForce": "true"},
                ),
                opts=self._child,
            )
        for plugin in args.device_plugins:
            self._device_plugin(name, plugin)
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
            # No parameter of a class can be changed, and two cannot have the name that claims ask for.
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
                # A pool may have no nodes yet, and nodes with GPUs may be waited for: no reason to hold up an update.
                annotations={"pulumi.com/skipAwait": "true"},
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
                        affinity=k8s.core.v1.AffinityArgs(node_affinity=_on(plugin)),
                        tolerations=[
                            k8s.core.v1.TolerationArgs(key=_GPU_TAINT, operator="Exists", effect="NoSchedule")
                        ],
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


def _on(plugin: DevicePlugin) -> k8s.core.v1.NodeAffinityArgs:
    wanted = [k8s.core.v1.NodeSelectorRequirementArgs(key=GPU_LABEL, operator="Exists")]
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
