"""The stack `trial`, deployed from a copy of the project to a node."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.unit.ops.running import copy_program
from tools.cluster.cluster import Cluster
from tools.cluster.trial_images import IMAGES, reference

NAMESPACE = "novacron-llm"
BODY = {"model": "novacron-tiny", "messages": [{"role": "user", "content": "What is a GPU?"}], "max_tokens": 8}
LONG_STREAM = {"stream": True, "max_tokens": 400, "ignore_eos": True}


@dataclass
class Trial:
    """A copy of the project, with the stack `trial` configured for the node."""

    folder: Path
    node: Cluster
    port: int
    key: str = ""

    @classmethod
    def copy(cls, folder: Path, node: Cluster) -> Trial:
        """Copy the program and the stack, with the port that the node publishes."""
        (port,) = node.published_ports()
        copy_program(folder, "trial")
        stack = folder / "Pulumi.trial.yaml"
        stack.write_text(stack.read_text().replace("node_port: 30080", f"node_port: {port}"))
        return cls(folder, node, port)

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `novacron <command> -s trial`, with the engine of this repository where it runs a program."""
        engine = ("--engine", "rehearsal") if command in ("up", "preview", "down", "key") else ()
        return subprocess.run(
            [str(Path(sys.executable).with_name("novacron")), command, "-s", "trial", *engine, *arguments],
            cwd=self.folder,
            env={**os.environ, "KUBECONFIG": str(self.node.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
        )

    def novacron(self, command: str, *arguments: str) -> str:
        """Run a command that has to succeed, and return what it prints."""
        done = self.run(command, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, **more: object) -> httpx.Response:
        """Ask for a chat completion through the node's port."""
        with self.open_client() as client:
            return client.post("/v1/chat/completions", json={**BODY, **more})

    @contextmanager
    def open_stream(self, **more: object) -> Iterator[Iterator[str]]:
        """Ask for a long stream, and give the lines of the response."""
        body = {**BODY, **LONG_STREAM, **more}
        with self.open_client() as client, client.stream("POST", "/v1/chat/completions", json=body) as response:
            yield response.iter_lines()

    @contextmanager
    def forward(self, pod: str) -> Iterator[httpx.Client]:
        """Give a client of one coordinator."""
        command = [self.node.program("kubectl"), "--kubeconfig", self.node.kubeconfig, "port-forward", "-n", NAMESPACE]
        with subprocess.Popen([*command, f"pod/{pod}", ":8080"], stdout=subprocess.PIPE, text=True) as forwarding:
            try:
                assert forwarding.stdout is not None
                line = forwarding.stdout.readline()  # Forwarding from 127.0.0.1:41234 -> 8080
                with self.open_client(int(line.partition("127.0.0.1:")[2].split()[0])) as client:
                    yield client
            finally:
                forwarding.terminate()

    def open_client(self, port: int | None = None, *, keep_connections: bool = True) -> httpx.Client:
        """Return a client of a port of this machine, by default the node's, with the stack's key."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{port or self.port}",
            headers={"authorization": f"Bearer {self.key}"},
            limits=httpx.Limits(max_keepalive_connections=None if keep_connections else 0),
            timeout=60,
            trust_env=False,
        )

    def pods(self, name: str) -> list[dict[str, Any]]:
        """Return the running pods of a workload, without those that are being deleted."""
        label = f"app.kubernetes.io/name={name}"
        running = self.node.get("pods", "-n", NAMESPACE, "-l", label, "--field-selector=status.phase=Running")["items"]
        return [pod for pod in running if "deletionTimestamp" not in pod["metadata"]]


def load_images(node: Cluster, images: Sequence[str] = IMAGES) -> None:
    """Load the built images into the node."""
    for image in map(reference, images):
        command = ["buildah", "push", "--quiet", image, f"docker-archive:/dev/stdout:{image}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as saving:
            assert saving.stdout is not None
            node.load(saving.stdout)
