"""Parts that the pods of coordinators and workers share: labels, rights, resources and volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.config.sections.hardware import Resources
from novacron_infra.config.sections.images import LOADED_IMAGES
from novacron_infra.plan.serving import NodePlacement
from novacron_infra.workloads import serving_contract as contract
from novacron_infra.workloads.names import CONFIGURATION_HASH, PART_OF, SECRETS_HASH
from novacron_infra.workloads.options import after

CERTIFICATE_FOLDER = "/etc/novacron-tls"
"""Folder of `tls.crt`, `tls.key` and `ca.crt`."""
NAME_LABEL = "app.kubernetes.io/name"
PART_OF_LABEL = "app.kubernetes.io/part-of"
ZONE_LABEL, HOST_LABEL = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
GPU_RESOURCE = "nvidia.com/gpu"
EXIT_S = 10
"""Time for a process to end after its last stream."""
MIN_READY_S = 5
"""How long a new pod has to stay ready before an update continues with the next one."""
WITHOUT_WAITING = {"pulumi.com/skipAwait": "true"}
"""Annotation of an object that an update does not wait for."""
_ONLY_THE_PROCESS_READS = 0o440
"""Mode of files with secrets: their group is the process's."""
_TEMPORARY_MIB = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class PodContent:
    """A ConfigMap or Secret that pods read."""

    name: str
    made: pulumi.Resource
    content_hash: pulumi.Output[str]
    """A text that changes with the content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PodSource:
    """Image, configuration and secrets of the pods of a workload."""

    image: pulumi.Input[str]
    config: PodContent
    """The ConfigMap with the configuration file."""
    secret: PodContent
    """The Secret with the values of variables."""
    secret_keys: tuple[str, ...]
    """Keys of the Secret, which are also the names of their variables."""
    certificate: str | None = None
    """Secret with the certificate for the traffic between coordinators and workers. None: it is in plain text."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Other variables."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WritableFolder:
    """A folder of a container that its process can write. It is empty when the pod starts."""

    name: str
    path: str
    size_mib: int
    in_memory: bool = False

    def volume(self) -> k8s.core.v1.VolumeArgs:
        """Return the folder's volume."""
        return k8s.core.v1.VolumeArgs(
            name=self.name,
            empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs(
                medium="Memory" if self.in_memory else None, size_limit=f"{self.size_mib}Mi"
            ),
        )

    def mount(self) -> k8s.core.v1.VolumeMountArgs:
        """Return where a container has the folder."""
        return k8s.core.v1.VolumeMountArgs(name=self.name, mount_path=self.path)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadOnlyFolder:
    """A folder with the files of a Secret and of a ConfigMap. New content of the Secret appears within two minutes."""

    name: str
    path: str
    secret: pulumi.Input[str] | None = None
    """Name of the Secret. The pod waits for it to exist."""
    secret_files: Mapping[str, str] = field(default_factory=dict)
    """The files of the Secret's keys. Empty: every key is a file of its name."""
    config: PodContent | None = None
    """The ConfigMap."""

    def volume(self) -> k8s.core.v1.VolumeArgs:
        """Return the folder's volume."""
        sources: list[k8s.core.v1.VolumeProjectionArgs] = []
        if self.secret is not None:
            items = [k8s.core.v1.KeyToPathArgs(key=key, path=file) for key, file in self.secret_files.items()]
            secret = k8s.core.v1.SecretProjectionArgs(name=self.secret, items=items or None)
            sources.append(k8s.core.v1.VolumeProjectionArgs(secret=secret))
        if self.config is not None:
            config = k8s.core.v1.ConfigMapProjectionArgs(name=self.config.name)
            sources.append(k8s.core.v1.VolumeProjectionArgs(config_map=config))
        return k8s.core.v1.VolumeArgs(
            name=self.name,
            projected=k8s.core.v1.ProjectedVolumeSourceArgs(sources=sources, default_mode=_ONLY_THE_PROCESS_READS),
        )

    def mount(self) -> k8s.core.v1.VolumeMountArgs:
        """Return where a container has the folder."""
        return k8s.core.v1.VolumeMountArgs(name=self.name, mount_path=self.path, read_only=True)


TEMPORARY = WritableFolder(name="tmp", path="/tmp", size_mib=_TEMPORARY_MIB)  # noqa: S108 - a volume of the pod


def select_pods(name: str) -> dict[str, str]:
    """Return the labels that select pods. They never change: selectors are immutable."""
    return {NAME_LABEL: name}


QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""Label of a StatefulSet or LeaderWorkerSet whose pods a LocalQueue of Kueue admits."""


def label_object(
    name: pulumi.Input[str], namespace: str | None, component: str, queue: str | None = None
) -> k8s.meta.v1.ObjectMetaArgs:
    """Return the metadata of an object.

    Args:
        name: the object's name.
        namespace: its namespace; None for objects of the whole cluster.
        component: the Deployment or StatefulSet that it belongs to, or the object's own name.
        queue: the LocalQueue of Kueue that admits its pods; None without Kueue.
    """
    labels = label_pods(component) | ({} if queue is None else {QUEUE_LABEL: queue})
    return k8s.meta.v1.ObjectMetaArgs(name=name, namespace=namespace, labels=labels)


def label_pods(name: str) -> dict[str, str]:
    """Return the labels of pods. They contain no version: another label would replace every pod."""
    return {**select_pods(name), PART_OF_LABEL: PART_OF}


def secure_pod() -> k8s.core.v1.PodSecurityContextArgs:
    """Return the rights of a pod: an unprivileged user, and the runtime's list of system calls."""
    return k8s.core.v1.PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=contract.USER_ID,
        run_as_group=contract.USER_ID,
        fs_group=contract.USER_ID,
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )


def secure_container(*, read_only_root: bool) -> k8s.core.v1.SecurityContextArgs:
    """Return the rights of a container.

    Args:
        read_only_root: False only for containers with GPUs: NVIDIA's toolkit writes into their root filesystem.
    """
    return k8s.core.v1.SecurityContextArgs(
        privileged=False,
        allow_privilege_escalation=False,
        read_only_root_filesystem=read_only_root,
        capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"]),
    )


def request_resources(
    resources: Resources, folders: Sequence[WritableFolder], devices: Mapping[str, str] | None = None
) -> k8s.core.v1.ResourceRequirementsArgs:
    """Return the requests and limits of a container.

    Args:
        resources: CPU and memory.
        folders: its writable folders. The disk of those that are not in memory is reserved. It has no limit here: each
            folder has its own, and some nodes would count the image as well.
        devices: quantities of extended resources, such as GPUs, by name.
    """
    disk_mib = sum(folder.size_mib for folder in folders if not folder.in_memory)
    requests = _quantities(resources.cpu_request, resources.memory_request_gib)
    return k8s.core.v1.ResourceRequirementsArgs(
        requests={**requests, "ephemeral-storage": f"{disk_mib}Mi", **(devices or {})},
        limits={**_quantities(resources.cpu_limit, resources.memory_limit_gib), **(devices or {})},
    )


def mebibytes(gib: float) -> int:
    """Return a size in MiB, rounded up."""
    return -int(-gib * 1024 // 1)


def spread_pods(
    labels: Mapping[str, str], *, revision_label: str, zones_required: bool = False
) -> list[k8s.core.v1.TopologySpreadConstraintArgs]:
    """Return the rules that spread pods over zones and hosts.

    Args:
        labels: labels that select the pods.
        revision_label: the label that tells new pods from old ones during an update; each are spread on their own.
        zones_required: whether a pod waits rather than make zones differ by more than one pod. Zones whose nodes do
            not answer do not count. Otherwise pods are spread as far as there is room.
    """
    return [
        k8s.core.v1.TopologySpreadConstraintArgs(
            max_skew=1,
            topology_key=key,
            # DoNotSchedule would keep a pod from starting while the only other node is full or does not answer.
            when_unsatisfiable="DoNotSchedule" if required else "ScheduleAnyway",
            node_taints_policy="Honor" if required else None,
            label_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=dict(labels)),
            match_label_keys=[revision_label],
        )
        for key, required in ((ZONE_LABEL, zones_required), (HOST_LABEL, False))
    ]


def tolerate_taints(nodes: NodePlacement) -> list[k8s.core.v1.TolerationArgs] | None:
    """Return the tolerations of pods that run on these nodes."""
    return [
        k8s.core.v1.TolerationArgs(key=key, operator="Exists", effect="NoSchedule") for key in nodes.tolerated_taints
    ] or None


def environment(
    fields: Mapping[str, str], source: PodSource, more: Mapping[str, str] | None = None
) -> list[k8s.core.v1.EnvVarArgs]:
    """Return the environment variables of a container.

    Args:
        fields: the pod's fields, such as `status.podIP`, by variable.
        source: its secrets and variables.
        more: other variables.
    """
    variables = {"HOME": contract.HOME, "USER": PART_OF, "TMPDIR": TEMPORARY.path, **source.variables, **(more or {})}
    return [
        *(k8s.core.v1.EnvVarArgs(name=name, value=value) for name, value in variables.items()),
        *(
            k8s.core.v1.EnvVarArgs(
                name=name,
                value_from=k8s.core.v1.EnvVarSourceArgs(
                    field_ref=k8s.core.v1.ObjectFieldSelectorArgs(field_path=field)
                ),
            )
            for name, field in fields.items()
        ),
        *(
            k8s.core.v1.EnvVarArgs(
                name=key,
                value_from=k8s.core.v1.EnvVarSourceArgs(
                    secret_key_ref=k8s.core.v1.SecretKeySelectorArgs(name=source.secret.name, key=key)
                ),
            )
            for key in source.secret_keys
        ),
    ]


def mount_source(
    source: PodSource,
) -> tuple[list[k8s.core.v1.VolumeArgs], list[k8s.core.v1.VolumeMountArgs]]:
    """Return the volumes and mounts of the configuration file, and of the certificate if there is one."""
    config = k8s.core.v1.ConfigMapVolumeSourceArgs(name=source.config.name)
    volumes = [k8s.core.v1.VolumeArgs(name="config", config_map=config)]
    folders = {"config": contract.CONFIG_FOLDER}
    if source.certificate is not None:
        # The kubelet replaces the files when the Secret changes.
        secret = k8s.core.v1.SecretVolumeSourceArgs(
            secret_name=source.certificate, default_mode=_ONLY_THE_PROCESS_READS
        )
        volumes.append(k8s.core.v1.VolumeArgs(name="certificate", secret=secret))
        folders["certificate"] = CERTIFICATE_FOLDER
    mounts = [
        k8s.core.v1.VolumeMountArgs(name=name, mount_path=folder, read_only=True) for name, folder in folders.items()
    ]
    return volumes, mounts


def annotate_content(source: PodSource, folders: Sequence[ReadOnlyFolder] = ()) -> dict[str, pulumi.Output[str]]:
    """Return the annotations of pods with the hashes of their ConfigMaps and their Secret.

    Args:
        source: their configuration and secrets.
        folders: their other files. Those of Secrets do not count: processes read them again when they change.
    """
    configs = [source.config, *(folder.config for folder in folders if folder.config is not None)]
    hashes = pulumi.Output.all(*(config.content_hash for config in configs))
    return {CONFIGURATION_HASH: hashes.apply("-".join), SECRETS_HASH: source.secret.content_hash}


def start_after_content(
    source: PodSource, opts: pulumi.ResourceOptions, folders: Sequence[ReadOnlyFolder] = ()
) -> pulumi.ResourceOptions:
    """Return the options of a workload that is created or changed after the ConfigMaps and the Secret of its pods.

    Args:
        source: configuration and secrets of the pods.
        opts: Pulumi's other options.
        folders: other files of the pods.
    """
    read = [source.config, source.secret, *(folder.config for folder in folders if folder.config is not None)]
    # Not by an output of theirs: a provider that replaces a ConfigMap would then replace the workload, too.
    return after(opts, *(content.made for content in read))


def pull_policy(image: pulumi.Input[str]) -> str:
    """Return when the kubelet pulls an image: never, if it was loaded onto the nodes."""
    return "Never" if isinstance(image, str) and image.startswith(LOADED_IMAGES) else "IfNotPresent"


def declare_headless_service(
    resource: str, name: str, namespace: str, pods: str, port: k8s.core.v1.ServicePortArgs, opts: pulumi.ResourceOptions
) -> k8s.core.v1.Service:
    """Declare a Service without an address, whose name resolves to every pod, ready or not.

    Args:
        resource: name of the Pulumi resource.
        name: name of the Service.
        namespace: its namespace.
        pods: the pods that it lists.
        port: their port.
        opts: Pulumi's options.
    """
    return k8s.core.v1.Service(
        resource,
        metadata=k8s.meta.v1.ObjectMetaArgs(
            # The Service exists before its pods do.
            name=name,
            namespace=namespace,
            labels=label_pods(pods),
            annotations=WITHOUT_WAITING,
        ),
        spec=k8s.core.v1.ServiceSpecArgs(
            cluster_ip="None", publish_not_ready_addresses=True, selector=select_pods(pods), ports=[port]
        ),
        opts=opts,
    )


def declare_disruption_budget(
    resource: str, namespace: str, name: str, labels: Mapping[str, str], opts: pulumi.ResourceOptions
) -> k8s.policy.v1.PodDisruptionBudget:
    """Declare that a drain of nodes evicts one of these pods at a time. It may always evict pods that are not ready.

    Args:
        resource: name of the Pulumi resource.
        namespace: where the pods are.
        name: name of the budget.
        labels: labels that select the pods.
        opts: Pulumi's options.
    """
    return k8s.policy.v1.PodDisruptionBudget(
        resource,
        metadata=label_object(name, namespace, name),
        spec=k8s.policy.v1.PodDisruptionBudgetSpecArgs(
            max_unavailable=1,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=dict(labels)),
            unhealthy_pod_eviction_policy="AlwaysAllow",
        ),
        opts=opts,
    )


def _quantities(cpus: float, memory_gib: float) -> dict[str, str]:
    return {"cpu": f"{max(1, round(cpus * 1000))}m", "memory": f"{mebibytes(memory_gib)}Mi"}
