"""Namespaces with their Pod Security Standard, and service accounts."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.workloads.names import COORDINATOR_SERVICE_ACCOUNT, NAMESPACE, PART_OF, WORKER_SERVICE_ACCOUNT
from novacron_infra.workloads.pods import PART_OF_LABEL, label_object

_POD_SECURITY = "pod-security.kubernetes.io"


def declare_namespace(resource: str, namespace: str, opts: pulumi.ResourceOptions) -> k8s.core.v1.Namespace:
    """Declare a namespace whose pods have to keep the Pod Security Standard `restricted`.

    Pods with GPUs keep it as well: the standard does not ask for a read-only root filesystem.
    """
    levels = {f"{_POD_SECURITY}/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return k8s.core.v1.Namespace(
        resource,
        metadata=k8s.meta.v1.ObjectMetaArgs(name=namespace, labels={**levels, PART_OF_LABEL: PART_OF}),
        opts=opts,
    )


def declare_service_accounts(
    name: str, worker_namespace: str, opts: pulumi.ResourceOptions
) -> list[k8s.core.v1.ServiceAccount]:
    """Declare the service accounts of coordinators and workers. They have no rights, and pods get no token."""
    accounts = {COORDINATOR_SERVICE_ACCOUNT: NAMESPACE, WORKER_SERVICE_ACCOUNT: worker_namespace}
    return [
        k8s.core.v1.ServiceAccount(
            f"{name}-{account}-account",
            metadata=label_object(account, namespace, account),
            automount_service_account_token=False,
            opts=opts,
        )
        for account, namespace in accounts.items()
    ]
