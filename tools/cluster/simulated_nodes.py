"""Nodes and pods that only exist in the API: kwok reports the nodes as Ready and their pods as running."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tools.cluster.binaries import report
from tools.cluster.control_plane import ControlPlane
from tools.cluster.processes import Processes, kubectl

ANNOTATION = "kwok.x-k8s.io/node"
_LEASE_S = 600
"""Duration of the nodes' leases, which kwok renews after a quarter of it: with 40 s, a busy machine loses nodes."""
_STAGES = ("node/fast", "pod/fast")
"""kwok's stages without delays: a pod is ready once it is scheduled, and gone once it is deleted."""


def start(
    processes: Processes, plane: ControlPlane, programs: Mapping[str, Path], nodes: list[dict[str, object]]
) -> None:
    """Start kwok and create the nodes.

    Args:
        processes: starts kwok.
        plane: the control plane.
        programs: path of each program by name.
        nodes: the Node objects.
    """
    report(f"creating {len(nodes)} simulated nodes")
    admin = plane.folder / "admin.kubeconfig"
    processes.start(
        "kwok",
        *("--kubeconfig", str(admin), "--manage-nodes-with-annotation-selector", f"{ANNOTATION}=fake"),
        *("--node-lease-duration-seconds", str(_LEASE_S)),
        *(part for file in _find_stages(programs["kwok"]) for part in ("--config", str(file))),
    )
    if not nodes:
        return
    listed = {"apiVersion": "v1", "kind": "List", "items": nodes}
    kubectl(programs["kubectl"], admin, "apply", "--server-side", "-f", "-", given=listed)


def _find_stages(program: Path) -> list[Path]:
    """Return the files that say how simulated nodes and pods behave. They are in kwok's own module."""
    return [
        file
        for stage in _STAGES
        for file in sorted((program.parent / "kustomize" / "stage" / stage).glob("*.yaml"))
        if file.name != "kustomization.yaml"
    ]
