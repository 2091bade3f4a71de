"""The fields that Kubernetes does not let anyone change: a change of one replaces the object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from novacron_rehearsal.kubernetes.objects import Kind, find
from novacron_rehearsal.kubernetes.settings import Settings

IDENTITY = ("metadata.name", "apiVersion", "kind")


@dataclass(frozen=True, slots=True)
class Immutable:
    """The immutable fields of a kind, as paths without indices. A path covers all fields below it."""

    fields: tuple[str, ...]
    except_for: tuple[str, ...] = field(default=())
    """Fields below them that can be changed."""
    defaulted: tuple[str, ...] = field(default=())
    """Fields of which the server keeps the value when the program no longer sets them."""


_BINDING = Immutable(("roleRef",))
_WITH_SELECTOR = Immutable(("spec.selector",))
_KINDS: Mapping[str, Immutable] = {
    "DaemonSet": _WITH_SELECTOR,
    "Deployment": _WITH_SELECTOR,
    "ReplicaSet": _WITH_SELECTOR,
    "StatefulSet": Immutable(
        ("spec.podManagementPolicy", "spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"),
        defaulted=("spec.podManagementPolicy",),
    ),
    "Job": Immutable(
        ("spec.completionMode", "spec.completions", "spec.podFailurePolicy", "spec.selector", "spec.template"),
        # Labels and annotations of the template are immutable as well, unless the Job is suspended.
        defaulted=("spec.completionMode", "spec.completions"),
    ),
    "Pod": Immutable(
        ("spec",),
        # Kubernetes can change images and add tolerations; Pulumi's provider replaces the pod for an image.
        except_for=("spec.activeDeadlineSeconds", "spec.tolerations"),
    ),
    "PersistentVolumeClaim": Immutable(
        ("spec",),
        except_for=("spec.resources", "spec.volumeAttributesClassName"),
        defaulted=("spec.storageClassName", "spec.volumeMode", "spec.volumeName"),
    ),
    "PersistentVolume": Immutable(
        ("spec",),
        except_for=(
            "spec.accessModes",
            "spec.capacity",
            "spec.claimRef",
            "spec.mountOptions",
            "spec.persistentVolumeReclaimPolicy",
            "spec.storageClassName",
            "spec.volumeAttributesClassName",
        ),
        defaulted=("spec.volumeMode",),
    ),
    "Service": Immutable(("spec.clusterIP",), defaulted=("spec.clusterIP",)),
    "StorageClass": Immutable(
        ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"),
        defaulted=("reclaimPolicy", "volumeBindingMode"),
    ),
    "RuntimeClass": Immutable(("handler",)),
    "PriorityClass": Immutable(("preemptionPolicy", "value"), defaulted=("preemptionPolicy",)),
    "ResourceQuota": Immutable(("spec.scopes",)),
    "IngressClass": Immutable(("spec.controller",)),
    "ClusterRoleBinding": _BINDING,
    "RoleBinding": _BINDING,
}
_GROUPS = frozenset(
    {
        "",
        "apps",
        "batch",
        "networking.k8s.io",
        "node.k8s.io",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)
_DATA: Mapping[str, tuple[str, ...]] = {
    "ConfigMap": ("binaryData", "data", "immutable"),
    "Secret": ("data", "immutable", "stringData", "type"),
}


def find_immutable(kind: Kind, old: object, settings: Settings) -> Immutable:
    """Return the immutable fields of an object.

    As Pulumi's provider does by default, a change of the data of a ConfigMap or Secret replaces it: with a generated
    name, pods that use it roll. `enableConfigMapMutable` and `enableSecretMutable` change it in place, unless
    `immutable` is true.

    Args:
        kind: the kind of the object.
        old: the inputs so far.
        settings: the provider's configuration.
    """
    if kind.is_patch or kind.group not in _GROUPS:
        return Immutable(())
    if kind.name in _DATA and not kind.group:
        mutable = settings.mutable_config_maps if kind.name == "ConfigMap" else settings.mutable_secrets
        if mutable and find(old, "immutable") is not True:
            return Immutable(("type",) if kind.name == "Secret" else ())
        return Immutable(_DATA[kind.name])
    return _KINDS.get(kind.name, Immutable(()))


def is_covered(paths: tuple[str, ...], path: str) -> bool:
    """Return whether a path without indices is one of the paths or below one."""
    return any(path == one or path.startswith(f"{one}.") for one in paths)
