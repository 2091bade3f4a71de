"""The clusters that a stack is deployed to, as its state has them, and connections to them."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from novacron_rehearsal import urn
from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.kubernetes.cluster import Cluster
from novacron_rehearsal.kubernetes.objects import Kind, Object, name_of, namespace_of, read_kind, split_id
from novacron_rehearsal.kubernetes.settings import Settings, read_settings

PART_OF = "app.kubernetes.io/part-of=novacron"
"""The label of the serving stack's pods."""
POD = Kind("v1", "Pod")
TIMEOUT_S = 5.0
"""For each request to an API server."""
_PROVIDER = "pulumi:providers:kubernetes"
_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "LeaderWorkerSet"})


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload of the stack."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.name} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class DeployedCluster:
    """A cluster that the stack's state has objects in."""

    name: str
    """See `name_cluster`."""
    settings: Settings
    workloads: tuple[Workload, ...]

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Namespaces of the workloads."""
        return tuple(dict.fromkeys(workload.namespace for workload in self.workloads))

    @contextmanager
    def connect(self) -> Generator[Cluster]:
        """Connect to the API server.

        Raises:
            ProviderError: if there is no way to sign in, or the server does not answer or is too old.
        """
        try:
            from novacron_rehearsal.kubernetes.kubeconfig import load_access
        except ImportError as error:
            raise ProviderError(
                "the official Kubernetes client for Python is not installed: pip install 'novacron[kubernetes]'"
            ) from error
        cluster = Cluster(load_access(self.settings), self.settings.timeout_s)
        try:
            cluster.check_version()
            yield cluster
        finally:
            cluster.close()

    def list_pods(self, connection: Cluster) -> list[Object]:
        """Return the serving stack's pods, by namespace and name."""
        pods = [pod for namespace in self.namespaces for pod in connection.list(POD, namespace, labelSelector=PART_OF)]
        return sorted(pods, key=lambda pod: (namespace_of(pod), name_of(pod)))


def name_cluster(provider: str) -> str:
    """Return a cluster's name, that of its Pulumi provider without `-kubernetes`: `prod-us-east-1`, or `cluster`.

    Args:
        provider: the provider's URN.
    """
    return urn.parse(provider).name.removesuffix("-kubernetes")


def find_clusters(exported: Mapping[str, Any]) -> list[DeployedCluster]:
    """Return the clusters of a stack, in the order of its state.

    Args:
        exported: the state as `pulumi stack export --show-secrets` writes it.
    """
    resources: list[dict[str, Any]] = (exported.get("deployment") or {}).get("resources") or []
    workloads: dict[str, list[Workload]] = {}
    for resource in resources:
        if resource["type"].startswith("kubernetes:") and not resource.get("delete"):
            workloads.setdefault(_provider_of(resource), []).extend(_read_workload(resource))
    return [
        DeployedCluster(
            name_cluster(resource["urn"]),
            replace(read_settings(_plain(resource.get("inputs") or {})), timeout_s=TIMEOUT_S),
            tuple(workloads[resource["urn"]]),
        )
        for resource in resources
        if resource["type"] == _PROVIDER and not resource.get("delete") and resource["urn"] in workloads
    ]


def _read_workload(resource: Mapping[str, Any]) -> list[Workload]:
    """Return the resource as a workload; empty if it is another object."""
    if resource["type"].rpartition(":")[2] not in _WORKLOADS:
        return []
    kind = read_kind(resource["urn"], resource.get("inputs") or {})
    return [Workload(kind, *split_id(resource["id"]))]


def _provider_of(resource: Mapping[str, Any]) -> str:
    return str(resource.get("provider", "")).rpartition("::")[0]


def _plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs with the secrets of an export in plain text."""
    return {
        key: json.loads(value["plaintext"]) if isinstance(value, dict) and "plaintext" in value else value
        for key, value in inputs.items()
    }
