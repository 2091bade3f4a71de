"""The stack `trial` on a real node, from built images to answers out of pods."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tools.cluster.binaries import UnsupportedMachineError
from tools.cluster.cluster import Cluster
from tools.cluster.trial_images import IMAGES, build_images, reference

pytestmark = pytest.mark.node

ROOT = Path(__file__).parents[2]
BODY = {"model": "novacron-tiny", "messages": [{"role": "user", "content": "What is a GPU?"}], "max_tokens": 8}


@dataclass
class Trial:
    """A copy of the project with the stack deployed on the node."""

    folder: Path
    node: Cluster
    port: int
    key: str = ""

    def novacron(self, *arguments: str) -> str:
        """Run `novacron <arguments> -s trial`, and return what it prints."""
        done = subprocess.run(
            [str(Path(sys.executable).with_name("novacron")), *arguments, "-s", "trial"],
            cwd=self.folder,
            env={**os.environ, "KUBECONFIG": str(self.node.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, **more: object) -> httpx.Response:
        """Ask for a chat completion through the node's port."""
        headers = {"authorization": f"Bearer {self.key}"}
        url = f"http://127.0.0.1:{self.port}/v1/chat/completions"
        return httpx.post(url, json={**BODY, **more}, headers=headers, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def trial(node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Load the images, deploy the stack, and remove it afterwards."""
    try:
        build_images()
    except UnsupportedMachineError as error:
        pytest.skip(str(error))
    for image in map(reference, IMAGES):
        command = ["buildah", "push", "--quiet", image, f"docker-archive:/dev/stdout:{image}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as saving:
            assert saving.stdout is not None
            node.load(saving.stdout)
    folder = tmp_path_factory.mktemp("project")
    (port,) = node.published_ports()
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(ROOT / name, folder / name)
    stack = (ROOT / "Pulumi.trial.yaml").read_text()
    (folder / "Pulumi.trial.yaml").write_text(stack.replace("node_port: 30080", f"node_port: {port}"))
    deployed = Trial(folder, node, port)
    deployed.novacron("up")
    deployed.key = deployed.novacron("key").strip()
    yield deployed
    deployed.novacron("down")
    assert "novacron-llm" not in node.kubectl("get", "namespaces")


def test_a_pod_answers_a_chat(trial: Trial) -> None:
    answer = trial.ask()
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"]
    assert "2 of 2 workers active" in trial.novacron("status")


def test_a_second_up_changes_nothing(trial: Trial) -> None:
    assert "28 unchanged" in trial.novacron("up")


def test_no_request_fails_while_coordinators_and_workers_are_replaced(trial: Trial) -> None:
    over = threading.Event()
    failures: list[str] = []
    served = [0]

    def load() -> None:
        while not over.is_set():
            try:
                answer = trial.ask(stream=True)
                complete = answer.status_code == 200 and answer.text.endswith("data: [DONE]\n\n")
                failures.extend([] if complete and '"error"' not in answer.text else [answer.text[-300:]])
            except httpx.HTTPError as error:
                failures.append(repr(error))
            served[0] += 1

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for workload in ("deployment/llm-coordinator", "statefulset/llm-workers"):
        trial.node.kubectl("rollout", "restart", "-n", "novacron-llm", workload)
        trial.node.kubectl("rollout", "status", "-n", "novacron-llm", workload, "--timeout=240s")
    over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert served[0] > 20


def test_coordinators_reach_workers_and_workers_do_not_reach_each_other(trial: Trial) -> None:
    def pods(name: str) -> list[dict[str, Any]]:
        label = f"app.kubernetes.io/name={name}"
        return trial.node.get("pods", "-n", "novacron-llm", "-l", label, "--field-selector=status.phase=Running")[
            "items"
        ]

    coordinator, worker, other = pods("llm-coordinator")[0], *pods("llm-workers")
    code = "import socket, sys; socket.create_connection((sys.argv[1], 9091), 3); print('connected')"
    for source, expected in ((coordinator, "connected"), (worker, "")):
        command = ("exec", "-n", "novacron-llm", source["metadata"]["name"], "--", "python", "-c", code)
        assert trial.node.kubectl(*command, other["status"]["podIP"], check=False).strip() == expected
