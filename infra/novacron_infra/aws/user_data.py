"""User data of nodes on Amazon Linux 2023: local disks, container limits and tuning.

The user data is MIME multipart, because EKS merges its own part (the cluster's name and certificate) into it. nodeadm
reads the node configuration. The script installs a unit that tunes the node before kubelet starts, and again after
each reboot. The text depends only on the machine type; golden files have one for each.
"""

from __future__ import annotations

from typing import Any

import yaml

from novacron_infra.catalog import Machine, find_gpu

_BOUNDARY = "//novacron//"
_LOCKED_MEMORY_BYTES = 2**50
"""More memory than any machine has. nodeadm's JSON numbers cannot represent 2^64 - 1, which means unlimited."""
_SOCKET_BUFFER_BYTES = 256 * 2**20
_SYSCTLS = {
    "net.core.rmem_max": _SOCKET_BUFFER_BYTES,
    "net.core.wmem_max": _SOCKET_BUFFER_BYTES,
    "net.ipv4.tcp_rmem": f"4096 131072 {_SOCKET_BUFFER_BYTES}",
    "net.ipv4.tcp_wmem": f"4096 65536 {_SOCKET_BUFFER_BYTES}",
    "net.core.netdev_max_backlog": 30000,
    "vm.zone_reclaim_mode": 0,
    "kernel.numa_balancing": 0,
}
_UNIT = """\
[Unit]
Description=NovaCron node tuning
After=nvidia-persistenced.service nvidia-fabricmanager.service
Before=kubelet.service

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/novacron-tuning

[Install]
WantedBy=multi-user.target
"""


def render_user_data(machine_type: Machine) -> str:
    """Return the user data of a machine type as text. Launch templates need it in base64.

    Raises:
        UnknownNameError: if its GPU is not in the catalogue.
    """
    parts = {
        "application/node.eks.aws": yaml.safe_dump(_node_config(machine_type), sort_keys=False, width=1000),
        'text/x-shellscript; charset="us-ascii"': _script(machine_type),
    }
    lines = ["MIME-Version: 1.0", f'Content-Type: multipart/mixed; boundary="{_BOUNDARY}"', ""]
    for content_type, text in parts.items():
        lines += [f"--{_BOUNDARY}", f"Content-Type: {content_type}", "", text]
    return "\n".join([*lines, f"--{_BOUNDARY}--", ""])


def _node_config(machine_type: Machine) -> dict[str, Any]:
    # The list replaces the image's own list, so it repeats the limit of open files. EFA and NCCL pin memory.
    limits = [
        {"type": "RLIMIT_NOFILE", "soft": 65536, "hard": 1048576},
        {"type": "RLIMIT_MEMLOCK", "soft": _LOCKED_MEMORY_BYTES, "hard": _LOCKED_MEMORY_BYTES},
    ]
    spec: dict[str, Any] = {"containerd": {"baseRuntimeSpec": {"process": {"rlimits": limits}}}}
    if machine_type.local_nvme_gb:
        # One array for images, pods' files and logs. The disks lose their content when the instance stops.
        spec["instance"] = {"localStorage": {"strategy": "RAID0"}}
    return {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": spec}


def _script(machine_type: Machine) -> str:
    return "\n".join(
        [
            "#!/bin/bash",
            "set -euo pipefail",
            _file("/etc/sysctl.d/90-novacron.conf", "".join(f"{key} = {value}\n" for key, value in _SYSCTLS.items())),
            _file("/usr/local/sbin/novacron-tuning", _tuning(machine_type)),
            "chmod 0755 /usr/local/sbin/novacron-tuning",
            _file("/etc/systemd/system/novacron-tuning.service", _UNIT),
            "systemctl daemon-reload",
            "systemctl enable --now novacron-tuning.service",
            "",
        ]
    )


def _tuning(machine_type: Machine) -> str:
    # A setting that the machine lacks (often frequency control) must not prevent the node from joining.
    lines = [
        "#!/bin/bash",
        "sysctl --quiet --load /etc/sysctl.d/90-novacron.conf",
        "echo never > /sys/kernel/mm/transparent_hugepage/enabled",
        "echo never > /sys/kernel/mm/transparent_hugepage/defrag",
        "for governor in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do",
        '  if [ -w "$governor" ]; then echo performance > "$governor"; fi',
        "done",
    ]
    if machine_type.gpu is not None:
        lines.append("nvidia-smi -pm 1")
        if (clocks := find_gpu(machine_type.gpu).clocks) is not None:
            lines.append(f"nvidia-smi -ac {clocks.memory_mhz},{clocks.graphics_mhz}")
    return "\n".join([*lines, "exit 0", ""])


def _file(path: str, text: str) -> str:
    return f"cat > {path} <<'NOVACRON'\n{text}NOVACRON"
