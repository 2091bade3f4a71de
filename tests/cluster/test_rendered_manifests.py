"""Rendered manifests on a real API server: folder by folder, with the command that `novacron render` prints."""

from __future__ import annotations

from tests.rehearsal.clouds.test_render import GOLDEN
from tools.cluster.cluster import Cluster


def test_the_api_server_accepts_the_folders_of_a_rendered_stack_one_after_the_other(plane: Cluster) -> None:
    for folder in sorted((GOLDEN / "cluster").iterdir()):
        applied = plane.kubectl("apply", "--server-side", "--filename", str(folder))
        assert len(applied.splitlines()) == len(list(folder.iterdir()))
    assert "llm-workers" in plane.kubectl("get", "statefulsets", "-n", "novacron-llm")
    plane.kubectl("delete", "--wait=false", "--filename", str(GOLDEN / "cluster" / "00"))
    assert "error" not in plane.kubectl("apply", "--dry-run=client", "--recursive", "--filename", str(GOLDEN))
