"""A project whose program deploys to a simulated API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.kubernetes.api_server import ApiServer, serve_api
from tests.rehearsal.kubernetes.lab import ClusterLab


class KubeLab(ClusterLab):
    """A project, and its simulated cluster."""

    def __init__(self, folder: Path, api: ApiServer) -> None:
        super().__init__(folder, api.kubeconfig())
        self.api = api


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[KubeLab]:
    """A fresh project with an empty cluster."""
    with serve_api(ApiServer()) as api:
        yield KubeLab(tmp_path, api)
