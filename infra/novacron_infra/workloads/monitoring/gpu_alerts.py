"""Alerts on GPUs, from NVIDIA's DCGM exporter and kube-state-metrics."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.workloads.monitoring.rules import Alert, Severity

_MINUTE_S = 60
HARDWARE_XIDS = (48, 62, 64, 74, 79, 95, 119, 120, 140)
"""XIDs after which a GPU needs a reset, its machine a reboot, or both a repair.

Uncorrectable memory errors (48, 64, 95, 140), a halted or hung controller (62, 119, 120), NVLink (74), and a GPU that
is no longer on the bus (79). NVIDIA's XID catalogue, read 2026-11. The other XIDs are of applications, or only inform.
"""
_ON_GPU_NODES = 'resource="nvidia_com_gpu"'


def list_alerts(gpus_per_node: int) -> Iterator[Alert]:
    """Return the alerts.

    Args:
        gpus_per_node: GPUs of each machine in the catalogue.
    """
    codes = "|".join(map(str, HARDWARE_XIDS))
    yield Alert(
        name="NovaCronGpuError",
        # The gauge DCGM_FI_DEV_XID_ERRORS keeps the last XID until the exporter restarts; this counts within a window.
        expr=f'max by (Hostname, gpu, xid) (DCGM_EXP_XID_ERRORS_COUNT{{xid=~"{codes}"}}) > 0',
        for_s=0,
        severity=Severity.CRITICAL,
        summary="A GPU reports a hardware error.",
        description="GPU {{ $labels.gpu }} of {{ $labels.Hostname }} reports XID {{ $labels.xid }}.",
    )
    yield Alert(
        name="NovaCronGpuMissing",
        expr=f"kube_node_status_allocatable{{{_ON_GPU_NODES}}} < {gpus_per_node}",
        for_s=15 * _MINUTE_S,
        severity=Severity.WARNING,
        summary="A node has fewer usable GPUs than its machine.",
        description=f"{{{{ $labels.node }}}} offers {{{{ $value }}}} GPUs; its machine has {gpus_per_node}.",
    )
    with_exporter = 'label_replace(DCGM_FI_DEV_GPU_UTIL, "node", "$1", "Hostname", "(.+)")'
    yield Alert(
        name="NovaCronGpuMetricsMissing",
        expr=f"kube_node_status_capacity{{{_ON_GPU_NODES}}} > 0 unless on (node) {with_exporter}",
        for_s=10 * _MINUTE_S,
        severity=Severity.WARNING,
        summary="A node with GPUs has no GPU metrics.",
        description="Prometheus gets no metrics of the DCGM exporter on {{ $labels.node }}, so alerts on its GPUs are "
        "blind.",
    )
