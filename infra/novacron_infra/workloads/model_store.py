"""The volume of a model store that is a file system. Pods claim it: Pod Security refuses NFS volumes in pods."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.workloads.names import GPU_NAMESPACE, MODEL_STORE
from novacron_infra.workloads.pods import label_object
from novacron_infra.workloads.serving_args import NfsMount

_CAPACITY = "1Ti"
"""A volume has to state a capacity. For NFS it limits nothing."""


def declare_store_claim(
    name: str, mount: NfsMount, opts: pulumi.ResourceOptions
) -> list[k8s.core.v1.PersistentVolume | k8s.core.v1.PersistentVolumeClaim]:
    """Declare the volume of a model store and the claim of it, both for reading only.

    Args:
        name: how the names of the Pulumi resources begin.
        mount: the file system.
        opts: Pulumi's options.
    """
    # What a volume mounts is immutable, and the claim names the volume.
    replaced = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True))
    volume = k8s.core.v1.PersistentVolume(
        f"{name}-{MODEL_STORE}",
        metadata=label_object(MODEL_STORE, None, MODEL_STORE),
        spec=k8s.core.v1.PersistentVolumeSpecArgs(
            access_modes=["ReadOnlyMany"],
            capacity={"storage": _CAPACITY},
            storage_class_name="",
            persistent_volume_reclaim_policy="Retain",
            mount_options=["ro", "hard"],
            nfs=k8s.core.v1.NFSVolumeSourceArgs(server=mount.server, path=mount.path, read_only=True),
            claim_ref=k8s.core.v1.ObjectReferenceArgs(name=MODEL_STORE, namespace=GPU_NAMESPACE),
        ),
        opts=replaced,
    )
    claim = k8s.core.v1.PersistentVolumeClaim(
        f"{name}-{MODEL_STORE}-claim",
        metadata=label_object(MODEL_STORE, GPU_NAMESPACE, MODEL_STORE),
        spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=["ReadOnlyMany"],
            storage_class_name="",
            volume_name=volume.metadata.apply(lambda metadata: metadata.name or MODEL_STORE),
            resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": _CAPACITY}),
        ),
        opts=replaced,
    )
    return [volume, claim]
