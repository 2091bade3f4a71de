"""The node itself: containers, Services, network policies, and that it leaves nothing behind."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.cluster.cluster import Cluster
from tools.cluster.node import PAUSE_IMAGE, cgroup_name

pytestmark = pytest.mark.node
ROOT = Path(__file__).parents[2]

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 65535,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(name: str, **container: Any) -> dict[str, Any]:
    spec = {
        "name": "pause",
        "image": PAUSE_IMAGE,
        "imagePullPolicy": "Never",
        "securityContext": RESTRICTED,
        **container,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [spec], "automountServiceAccountToken": False},
    }


def test_a_container_runs_in_a_namespace_with_pod_security_restricted(node: Cluster, namespace: str) -> None:
    node.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    node.kubectl("apply", "-n", namespace, "-f", "-", given=pod("pause"))
    node.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/pause", "--timeout=60s")
    refused = node.kubectl(
        "apply", "-n", namespace, "-f", "-", given=pod("root", securityContext={"privileged": True}), check=False
    )
    assert refused == ""


def test_an_image_that_was_not_loaded_is_reported(node: Cluster, namespace: str) -> None:
    node.kubectl("apply", "-n", namespace, "-f", "-", given=pod("absent", image="localhost/absent:1"))
    node.kubectl(
        "wait",
        "-n",
        namespace,
        "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ErrImageNeverPull",
        "pod/absent",
        "--timeout=60s",
    )


RESOLVE = """if True:
    import socket, struct, sys
    query = b"\\x12\\x34\\x01\\0\\0\\1\\0\\0\\0\\0\\0\\0"
    query += b"".join(bytes([len(part)]) + part.encode() for part in sys.argv[1].split(".")) + b"\\0\\0\\1\\0\\1"
    asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asked.settimeout(5)
    asked.sendto(query, ("10.244.0.1", 53))
    answer = asked.recv(512)
    print(answer[3] & 15, ".".join(map(str, answer[-4:])))
"""
"""Asks the cluster's DNS for an address. Prints the response code and the last four bytes, which are the address."""
NO_ERROR, NO_SUCH_NAME = "0", "3"


def test_names_of_services_resolve_inside_the_node_and_others_do_not_exist(node: Cluster) -> None:
    def resolve(name: str) -> list[str]:
        return node.run("python3", "-c", RESOLVE, name, capture_output=True).stdout.decode().split()

    assert resolve("kubernetes.default.svc.cluster.local") == [NO_ERROR, "10.96.0.1"]
    assert resolve("absent.default.svc.cluster.local")[0] == NO_SUCH_NAME
    assert resolve("kubernetes.default.svc")[0] == NO_SUCH_NAME


def test_no_address_outside_is_reachable_from_the_node(node: Cluster) -> None:
    routes = node.run("ip", "route", "show", "default", capture_output=True)
    assert routes.stdout == b""


def test_a_stopped_node_leaves_no_process_mount_bridge_or_control_group(tmp_path: Path, node: Cluster) -> None:
    other = Cluster("other", tmp_path)  # several run at once
    other.up(None)
    pid = other.pid()
    assert pid is not None
    assert other.down()
    assert not Path(f"/proc/{pid}").exists()
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{cgroup_name(other.folder)}"))
    assert "nvk0" not in Path("/proc/net/dev").read_text()
    assert [path.name for path in other.folder.iterdir()] == ["logs"]
    assert node.get("node", "node-1")["status"]["conditions"], "the first node still runs"


def test_a_node_ends_with_the_process_that_started_it_and_the_next_one_removes_its_traces(
    tmp_path: Path, node: Cluster
) -> None:
    killed = Cluster("killed", tmp_path)
    code = """if True:
        import sys
        from pathlib import Path
        from tools.cluster.cluster import Cluster
        Cluster("killed", Path(sys.argv[1])).up(None, end_with_this_process=True)
        print("up", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        first_process = os.pidfd_open(killed.pid() or 0)
        starter.kill()
    ended, _, _ = select.select([first_process], [], [], 10)
    os.close(first_process)
    assert ended
    assert killed.pid() is None
    assert list(Path("/sys/fs/cgroup").glob(f"*/{cgroup_name(killed.folder)}"))
    following = Cluster("following", tmp_path)
    following.up(None, end_with_this_process=True)
    following.down()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{cgroup_name(killed.folder)}"))
    assert [path.name for path in killed.folder.iterdir()] == ["logs"]
