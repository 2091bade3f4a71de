"""A running node, as tests use it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tools.cluster.cluster import Cluster


class Node:
    """A running node and its API."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def kubectl(self, *arguments: str, given: object = None, check: bool = True) -> str:
        """Run kubectl as the administrator, with an object as input. Returns what it prints."""
        done = subprocess.run(
            [str(self.cluster.program("kubectl")), "--kubeconfig", str(self.cluster.kubeconfig), *arguments],
            input=None if given is None else json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Return an object of the API."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))
