"""The GPU worker's image on the stand-in base, in a replica that spans two machines: mpirun starts ranks over SSH.

The machines are network namespaces. The stand-in's launcher reports its rank.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.images.test_built_images import buildah, find
from tests.serving.test_supervision import WORKER

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("buildah", "ip"))), reason="needs root, buildah and ip (iproute2)"
)
LEADER = "workers-0.workers.test"
ADDRESSES = ("10.213.77.1", "10.213.77.2")
CONFIG = {
    "worker_id": "w",
    "port": 9091,
    "coordinator": "127.0.0.1:9",
    "model": {"id": "m", "path": "/models/m"},
    "engine": {"kind": "tensorrt-llm", "tensor_parallel": 2, "gpus_per_node": 1},
}


LAUNCHER = """#!/bin/sh
[ "$OMPI_COMM_WORLD_RANK" = 0 ] || exec sleep 300
PYTHONPATH=/stand-in "$@"
exec sleep 300 # like TensorRT-LLM's, it does not end with the worker
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@pytest.fixture
def machines() -> Iterator[tuple[str, str]]:
    """Make two network namespaces that reach each other."""
    names = (f"novacron-{os.getpid()}-0", f"novacron-{os.getpid()}-1")
    for name in names:
        ip("netns", "add", name)
    try:
        ip("link", "add", "eth0", "netns", names[0], "type", "veth", "peer", "name", "eth0", "netns", names[1])
        for name, address in zip(names, ADDRESSES, strict=True):
            ip("-n", name, "address", "add", f"{address}/30", "dev", "eth0")
            for link in ("lo", "eth0"):
                ip("-n", name, "link", "set", link, "up")
        yield names
    finally:
        for name in names:
            ip("netns", "delete", name)


@pytest.fixture
def roots() -> Iterator[tuple[Path, Path]]:
    """Make two containers of the image. Yields the folders of their files."""
    image = find("worker-gpu")
    labels = json.loads(buildah("inspect", "--type", "image", image))["OCIv1"]["config"]["Labels"]
    if "tensorrt-llm-stand-in" not in labels["org.opencontainers.image.base.name"]:
        pytest.skip("needs the GPU worker's image on the stand-in base")
    containers = (buildah("from", image), buildah("from", image))
    yield Path(buildah("mount", containers[0])), Path(buildah("mount", containers[1]))
    buildah("rm", *containers)


# In namespaces of its own, the program is process 1, as in a pod, and all that it starts ends with it.
ENTER = """
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind /sys "$0/sys" || exit
exec chroot --userspec=10001:10001 "$0" env -i "$@"
"""


def start(machine: str, root: Path, index: int) -> subprocess.Popen[str]:
    """Start a pod of the replica on a machine."""
    settings = json.loads(buildah("inspect", "--type", "image", find("worker-gpu")))["OCIv1"]["config"]
    variables = {
        "LWS_LEADER_ADDRESS": LEADER,
        "LWS_GROUP_SIZE": "2",
        "LWS_WORKER_INDEX": str(index),
        "NOVACRON_CLUSTER_TOKEN": "of-the-tests",
        "NCCL_DEBUG": f"machine {index}",
    }
    environment = [*settings["Env"], *(f"{name}={value}" for name, value in variables.items())]
    enter = ["ip", "netns", "exec", machine, "unshare", "--mount", "--pid", "--fork", "sh", "-c", ENTER]
    command = [*enter, str(root), *environment, *settings["Entrypoint"], *settings["Cmd"]]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


@pytest.fixture
def replica(machines: tuple[str, str], roots: tuple[Path, Path]) -> Iterator[Callable[[], list[subprocess.Popen[str]]]]:
    """Write the files of two pods. Yields a function that starts them."""
    names = (LEADER, LEADER.replace("workers-0.", "workers-0-1.", 1))
    hosts = [f"{address} {name}\n" for address, name in zip(ADDRESSES, names, strict=True)]
    for root in roots:
        (root / "etc/hosts").write_text("".join(["127.0.0.1 localhost\n", *hosts]))
        (root / "etc/novacron").mkdir()
        (root / "etc/novacron/worker.json").write_text(json.dumps(CONFIG))
    pods: list[subprocess.Popen[str]] = []

    def start_both() -> list[subprocess.Popen[str]]:
        pods.extend(
            start(machine, root, index) for index, (machine, root) in enumerate(zip(machines, roots, strict=True))
        )
        return pods

    yield start_both
    for pod in pods:
        with suppress(ProcessLookupError):
            os.killpg(pod.pid, signal.SIGKILL)  # its process 1, and with it all others of its namespace
        pod.wait(30)


def test_every_rank_starts_on_its_machine_as_the_images_user(
    replica: Callable[[], list[subprocess.Popen[str]]],
) -> None:
    leader, _ = replica()
    output, _ = leader.communicate(timeout=120)
    assert leader.returncode == 0, output
    worker = "python -m novacron_serving.worker --config /etc/novacron/worker.json"
    caches = "HF_HOME=/home/novacron/.cache/huggingface"
    for rank in (0, 1):
        line = f"rank {rank} of 2 as 10001: NCCL_DEBUG=machine {rank} {caches} command={worker}"
        assert line in output, output


def test_a_replica_drains_when_all_of_its_pods_are_stopped(
    replica: Callable[[], list[subprocess.Popen[str]]], roots: tuple[Path, Path]
) -> None:
    package = roots[0] / "stand-in/novacron_serving/worker"
    package.mkdir(parents=True)
    for path in (package.parent, package):
        (path / "__init__.py").touch()
    (package / "__main__.py").write_text(WORKER)
    for root in roots:
        (root / "usr/local/bin/trtllm-llmapi-launch").write_text(LAUNCHER)
    leader, follower = replica()
    assert leader.stdout is not None
    while (line := leader.stdout.readline()) != "serving\n":
        assert line, "the leader ended"
    for pod in (leader, follower):
        (process_1,) = Path(f"/proc/{pod.pid}/task/{pod.pid}/children").read_text().split()
        os.kill(int(process_1), signal.SIGTERM)
    assert "drained\n" in leader.communicate(timeout=60)[0]
    log, _ = follower.communicate(timeout=60)
    assert (leader.returncode, follower.returncode) == (0, 0), log


def test_packages_of_the_base_stay_where_novacron_can_use_them(roots: tuple[Path, Path]) -> None:
    (own,) = (roots[0] / "opt/novacron/lib").glob("python*/site-packages")
    assert (roots[0] / "usr/lib/python3/dist-packages/idna").is_dir()
    assert not (own / "idna").exists()
    assert (own / "google/protobuf").is_dir(), "the base's protobuf is too old"
