"""Namespaces with their Pod Security Standard, and service accounts."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.workloads.names import COORDINATOR_SERVICE_ACCOUNT, NAMESPACE, PART_OF, WORKER_SERVICE_ACCOUNT
from novacron_infra.workloads.pods import PART_OF_LABEL, label_pods
from novacron_infra.workloads.serving_args import Identities

EXEMPTION_ANNOTATION = "novacron.io/pod-security-exemption"
"""Annotation of a namespace that does not enforce `restricted`: the reasons."""
_POD_SECURITY = "pod-security.kubernetes.io"


def declare_namespace(
    resource: str, namespace: str, exemptions: Sequence[str], opts: pulumi.ResourceOptions
) -> k8s.core.v1.Namespace:
    """Declare a namespace whose pods have to keep the Pod Security Standard `restricted`, unless there is a reason.

    Pods with GPUs keep it as well: the standard does not ask for a read-only root filesystem.

    Args:
        resource: name of the Pulumi resource.
        namespace: its name.
        exemptions: why its pods cannot keep any standard. They are an annotation of the namespace.
        opts: Pulumi's options.
    """
    level = "privileged" if exemptions else "restricted"
    levels = {f"{_POD_SECURITY}/{mode}": level for mode in ("enforce", "audit", "warn")}
    return k8s.core.v1.Namespace(
        resource,
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=namespace,
            labels={**levels, PART_OF_LABEL: PART_OF},
            annotations={EXEMPTION_ANNOTATION: "; ".join(exemptions)} if exemptions else None,
        ),
        opts=opts,
    )


def declare_service_accounts(
    name: str, worker_namespace: str, identities: Identities, opts: pulumi.ResourceOptions
) -> list[k8s.core.v1.ServiceAccount]:
    """Declare the service accounts of coordinators and workers.

    They have no rights in the cluster, and pods get no token for its API.
    """
    accounts = (
        (COORDINATOR_SERVICE_ACCOUNT, NAMESPACE, identities.coordinators),
        (WORKER_SERVICE_ACCOUNT, worker_namespace, identities.workers),
    )
    return [
        k8s.core.v1.ServiceAccount(
            f"{name}-{account}-account",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=account,
                namespace=namespace,
                labels={**label_pods(account), **identity.labels},
                annotations=dict(identity.annotations) or None,
            ),
            automount_service_account_token=False,
            opts=opts,
        )
        for account, namespace, identity in accounts
    ]
