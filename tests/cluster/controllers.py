"""Controllers of add-ons for the control plane of the tests.

They run as processes of this machine with the rights of the administrator: the rights that their charts give them are
not tested here.
"""

from __future__ import annotations

import base64
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tools.cluster.binaries import Program, UnsupportedMachineError, build
from tools.cluster.cluster import Cluster
from tools.cluster.processes import Processes


def prepare(programs: tuple[Program, ...], folder: Path) -> Processes:
    """Build controllers that are missing. The test is skipped where this machine cannot build them."""
    try:
        return Processes(folder, build(programs))
    except UnsupportedMachineError as error:
        pytest.skip(str(error))


@contextmanager
def definitions(plane: Cluster, items: Iterable[dict[str, Any]]) -> Generator[None]:
    """Install definitions, and remove them with all their objects at the end."""
    listed = {"apiVersion": "v1", "kind": "List", "items": list(items)}
    names = [f"crd/{item['metadata']['name']}" for item in listed["items"]]
    plane.kubectl("apply", "--server-side", "-f", "-", given=listed)
    try:
        plane.kubectl("wait", "--for=condition=Established", *names)
        yield
    finally:
        plane.kubectl("delete", "--timeout=60s", *names)


def serve_webhooks(configurations: Iterable[dict[str, Any]], port: int, ca: Path) -> dict[str, Any]:
    """Return configurations of webhooks that name a port of this machine in place of a Service.

    Args:
        configurations: the configurations, as in the controller's module. They are changed.
        port: the webhooks' port of 127.0.0.1.
        ca: certificate of the authority that has signed theirs.
    """
    listed = list(configurations)
    for webhook in (item for one in listed for item in one["webhooks"]):
        path = webhook["clientConfig"]["service"]["path"]
        webhook["clientConfig"] = {
            "url": f"https://127.0.0.1:{port}{path}",
            "caBundle": base64.b64encode(ca.read_bytes()).decode(),
        }
    return {"apiVersion": "v1", "kind": "List", "items": listed}
