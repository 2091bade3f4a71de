"""Alerts on the state of the stack's pods, quotas and certificates, from kube-state-metrics and cert-manager."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from novacron_infra.workloads.monitoring.rules import Alert, Severity
from novacron_infra.workloads.names import PART_OF, WARM_CAPACITY

_MINUTE_S = 60
_QUOTA_USED = 0.9
_WORKER_RESTARTS = 2
"""Restarts of a worker in an hour that an update or an eviction explains."""


def list_alerts(namespaces: Sequence[str], *, certificates: bool, fixed_workers: bool) -> Iterator[Alert]:
    """Return the alerts.

    Args:
        namespaces: the namespaces of the stack.
        certificates: whether cert-manager is in the cluster.
        fixed_workers: whether the stack always has all workers that its own quota allows.
    """
    within = f'namespace=~"{"|".join(namespaces)}"'
    restarts = "kube_pod_container_status_restarts_total"
    yield Alert(
        name="NovaCronCoordinatorRestarts",
        expr=f'increase({restarts}{{{within},container="coordinator"}}[1h]) > 0',
        for_s=0,
        severity=Severity.WARNING,
        summary="A coordinator was restarted.",
        description="{{ $labels.pod }} was restarted within the last hour; its streams were cut.",
    )
    yield Alert(
        name="NovaCronWorkerRestarts",
        expr=f'increase({restarts}{{{within},container="worker"}}[1h]) > {_WORKER_RESTARTS}',
        for_s=0,
        severity=Severity.WARNING,
        summary="A worker is restarted again and again.",
        description="{{ $labels.pod }} was restarted {{ $value | humanize }} times within the last hour.",
    )
    yield Alert(
        name="NovaCronPodsPending",
        # Pods of warm capacity are pending while replicas use all nodes.
        expr=f'sum by (namespace) (kube_pod_status_phase{{{within},phase="Pending",pod!~"{WARM_CAPACITY}-.*"}}) > 0',
        for_s=15 * _MINUTE_S,
        severity=Severity.WARNING,
        summary="Pods cannot start.",
        description="{{ $value }} pods of {{ $labels.namespace }} have been pending for 15 minutes: the cloud has no "
        "capacity, a quota is used up, or an image or a volume is missing.",
    )
    counted = f'{within},resourcequota!="{PART_OF}"' if fixed_workers else within
    quota = f"max by (namespace, resourcequota, resource) (kube_resourcequota{{{counted},type="
    yield Alert(
        name="NovaCronQuotaNearlyUsed",
        expr=f'{quota}"used"}}) / ({quota}"hard"}}) > 0) > {_QUOTA_USED:g}',
        for_s=15 * _MINUTE_S,
        severity=Severity.WARNING,
        summary="A resource quota is nearly used up.",
        description="{{ $value | humanizePercentage }} of {{ $labels.resource }} in {{ $labels.namespace }} is used; "
        "pods beyond the quota are not created.",
    )
    if certificates:
        ends, renews = (f"certmanager_certificate_{name}_timestamp_seconds" for name in ("expiration", "renewal"))
        yield Alert(
            name="NovaCronCertificateNotRenewed",
            expr=f"{ends} - time() < 0.5 * ({ends} - {renews})",
            for_s=10 * _MINUTE_S,
            severity=Severity.CRITICAL,
            summary="A certificate is overdue for renewal.",
            description="The certificate {{ $labels.name }} expires in {{ $value | humanizeDuration }}; half of the "
            "time for its renewal has passed.",
        )
