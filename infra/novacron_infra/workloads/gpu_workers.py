"""The workers with TensorRT-LLM: a StatefulSet for replicas within a node, a LeaderWorkerSet for those that span nodes.

All pods of a LeaderWorkerSet run the same command, `novacron_serving.worker.launch`. It downloads the weights. Then the
leader starts the ranks of every pod with `mpirun` over SSH, and the other pods run an SSH server for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.plan.serving import CacheKind, ServingPorts, WorkerGroup
from novacron_infra.workloads import leader_worker_sets as lws
from novacron_infra.workloads import pods
from novacron_infra.workloads.cluster_add_ons import FAST
from novacron_infra.workloads.custom_resources import declare_custom_resource
from novacron_infra.workloads.fabrics import FabricPod, describe_fabric
from novacron_infra.workloads.names import GPU_NAMESPACE, MODEL_STORE, PROFILE_LABEL, RANKS, WORKERS
from novacron_infra.workloads.serving_args import ModelStoreAccess
from novacron_infra.workloads.serving_config import WorkerFile, build_tensorrt_llm_worker_file
from novacron_infra.workloads.worker_pods import (
    MODEL_CACHE,
    MODEL_VOLUME,
    STORE_FOLDER,
    WorkerPod,
    describe_template,
    list_folders,
)
from novacron_infra.workloads.workers import WorkerSet, find_coordinator, limit_rollout, spread_workers

_LAUNCH = ("python", "-m", "novacron_serving.worker.launch")


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupSettings:
    """Settings that all groups of a stack share."""

    model_id: str
    store: ModelStoreAccess
    ports: ServingPorts
    identity_labels: Mapping[str, str]
    """Labels of pods by which a cloud knows that they have an identity."""


def build_file(group: WorkerGroup, settings: GroupSettings) -> pulumi.Output[WorkerFile]:
    """Return the configuration file of a group's workers. Each pod has its name and address in variables."""
    store = settings.store

    def build(known: Sequence[str | None]) -> WorkerFile:
        url, mounted_url = known
        return build_tensorrt_llm_worker_file(
            group,
            model_id=settings.model_id,
            store_url=url or "",
            mounted_url=mounted_url,
            mount_folder=STORE_FOLDER,
            ports=settings.ports,
            coordinator=find_coordinator(settings.ports.grpc),
            model_cache=Path(MODEL_CACHE),
        )

    return pulumi.Output.all(store.url, store.mount and store.mount.url).apply(build)


def select_leaders(group: WorkerGroup) -> dict[str, str]:
    """Return the labels that select the pods of a group that serve requests: one of each replica."""
    return {**pods.select_pods(WORKERS), PROFILE_LABEL: group.profile.value}


def describe_worker_set(group: WorkerGroup, settings: GroupSettings) -> WorkerSet:
    """Return the StatefulSet of a group whose replicas fit a node."""
    labels = select_leaders(group)
    return WorkerSet(
        name=group.name,
        namespace=GPU_NAMESPACE,
        replicas=group.replicas,
        pod=_describe_pod(group, settings, labels),
        claims=_list_claims(group),
        queue=group.queue,
    )


def declare_leader_worker_set(
    resource: str,
    group: WorkerGroup,
    settings: GroupSettings,
    source: pods.PodSource,
    opts: pulumi.ResourceOptions,
) -> k8s.apiextensions.CustomResource:
    """Declare the LeaderWorkerSet of a group whose replicas span nodes. An update replaces one replica after the other.

    Args:
        resource: name of the Pulumi resource.
        group: the plan of the group.
        settings: what all groups of the stack share.
        source: image, configuration and secrets.
        opts: Pulumi's options.
    """
    leader = _describe_pod(group, settings, select_leaders(group))
    ranks = {**pods.select_pods(RANKS), PROFILE_LABEL: group.profile.value}
    claims = _list_claims(group)
    return declare_custom_resource(
        resource,
        lws.LEADER_WORKER_SET,
        pods.label_object(group.name, GPU_NAMESPACE, WORKERS, group.queue),
        lws.LeaderWorkerSetSpec(
            replicas=group.replicas,
            leader_worker_template=lws.LeaderWorkerTemplate(
                size=group.pods_per_replica,
                leader_template=describe_template(leader, source),
                worker_template=describe_template(replace(leader, labels=ranks, serves=False), source),
                volume_claim_templates=claims or None,
                persistent_volume_claim_retention_policy=lws.ClaimRetention() if claims else None,
            ),
            rollout_strategy=lws.RolloutStrategy(rolling_update_configuration=lws.RollingUpdate()),
        ),
        limit_rollout(leader, group.replicas, pods.start_after_content(source, opts)),
    )


def _describe_pod(group: WorkerGroup, settings: GroupSettings, labels: Mapping[str, str]) -> WorkerPod:
    local = group.cache.kind is CacheKind.LOCAL_NVME
    fabric = describe_fabric(group.fabric)
    return WorkerPod(
        labels=labels,
        more_labels=settings.identity_labels,
        resources=group.resources,
        gpus=group.gpus_per_pod,
        folders=list_folders(group.storage_gib, group.shared_memory_gib, group.cache.size_gib if local else None),
        start_timeout_s=group.load.limit_s,
        drain_s=group.drain_s,
        port=settings.ports.worker,
        launch_port=settings.ports.launch if group.spans_nodes else None,
        nodes=group.nodes,
        spread=() if group.spans_nodes else spread_workers(labels),
        command=_build_command(fabric) if group.spans_nodes else None,
        has_model_volume=not local,
        store_claim=MODEL_STORE if settings.store.mount else None,
        fabric=fabric,
    )


def _build_command(fabric: FabricPod) -> tuple[str, ...]:
    """Return the command of a group's pods, which a shell runs where the fabric has libraries of its own."""
    if not fabric.libraries:
        return _LAUNCH
    steps = [f"export LD_LIBRARY_PATH={':'.join(fabric.libraries)}:${{LD_LIBRARY_PATH}}"]
    if fabric.profile is not None:
        steps.append(f". {fabric.profile}")
    return ("/bin/bash", "-c", " && ".join([*steps, 'exec "$@"']), "worker", *_LAUNCH)


def _list_claims(group: WorkerGroup) -> list[k8s.core.v1.PersistentVolumeClaimArgs]:
    if group.cache.kind is CacheKind.LOCAL_NVME:
        return []
    return [
        k8s.core.v1.PersistentVolumeClaimArgs(
            metadata=k8s.meta.v1.ObjectMetaArgs(name=MODEL_VOLUME, labels=pods.label_pods(WORKERS)),
            spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
                access_modes=["ReadWriteOnce"],
                storage_class_name=FAST,
                resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": f"{group.cache.size_gib}Gi"}),
            ),
        )
    ]
