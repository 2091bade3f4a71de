"""Postgres and Redis that the stack `trial` runs itself: shared by its coordinators, closed to others, and kept."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.node.trial import BODY, NAMESPACE, Trial, load_images
from tests.polling import wait_until
from tools.cluster.cluster import Cluster
from tools.cluster.trial_images import DATABASES, build_images, reference

pytestmark = pytest.mark.node
STORAGE_CLASS = "novacron-tests"
SECTIONS = f"""
    postgres:
      image: {reference(DATABASES)}
      storage_gib: 1
      storage_class: {STORAGE_CLASS}
      resources: {{cpu_request: 0.1, cpu_limit: 1, memory_request_gib: 0.25, memory_limit_gib: 0.5}}
    redis:
      image: {reference(DATABASES)}
      resources: {{cpu_request: 0.05, cpu_limit: 1, memory_request_gib: 0.125, memory_limit_gib: 0.25}}
"""
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3); print('connected')"
PER_MINUTE = 10
SERVERS = {"llm-postgres": 5432, "llm-redis": 6379}


@pytest.fixture(scope="module")
def volume(node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of this machine as a volume, since the node makes none."""
    folder = tmp_path_factory.mktemp("postgres")
    on_this_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-1"]}
    node.kubectl(
        *("apply", "-f", "-"),
        given={
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": STORAGE_CLASS},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": STORAGE_CLASS,
                "local": {"path": str(folder)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_this_node]}]}},
            },
        },
    )
    yield folder
    node.kubectl("delete", "persistentvolume", STORAGE_CLASS, "--wait=false")


@pytest.fixture(scope="module")
def stack(trial: Trial, volume: Path) -> Iterator[Trial]:
    """The stack with both servers, and without them afterwards."""
    build_images([DATABASES])
    load_images(trial.node, [DATABASES])
    file = trial.folder / "Pulumi.trial.yaml"
    without = file.read_text()
    file.write_text(without + SECTIONS)
    shown = trial.novacron("up")
    assert "there is no database" not in shown
    assert (volume / "postgres").is_dir()
    yield trial
    # Only now may the volume be deleted.
    file.write_text((without + SECTIONS).replace("storage_gib: 1", "storage_gib: 1\n      protected: false"))
    trial.novacron("up")
    file.write_text(without)
    refused = trial.run("up")
    assert refused.returncode == 1
    assert re.search(r"deletes the .*\(serving-llm-postgres", refused.stdout + refused.stderr)
    trial.novacron("up", "--allow-data-loss")
    assert "llm-postgres" not in trial.node.kubectl("get", "all,persistentvolumeclaims", "-n", NAMESPACE)


def ask(
    trial: Trial, pod: dict[str, Any], path: str, key: str, body: object = None, method: str | None = None
) -> tuple[int, Any]:
    """Send a request to one coordinator, and return the status and the body of the response."""
    code = (
        "import json, sys, urllib.error, urllib.request as r\n"
        "url, key, body, method = json.load(sys.stdin)\n"
        "data = None if body is None else json.dumps(body).encode()\n"
        "headers = {'authorization': f'Bearer {key}', 'content-type': 'application/json'}\n"
        "try:\n"
        "    asked = r.Request(url, data, headers, method=method)\n"
        "    with r.build_opener(r.ProxyHandler({})).open(asked, timeout=30) as response:\n"
        "        print(json.dumps([response.status, json.loads(response.read() or 'null')]))\n"
        "except urllib.error.HTTPError as error:\n"
        "    print(json.dumps([error.code, json.load(error)]))\n"
    )
    url = f"http://{pod['status']['podIP']}:8080{path}"
    given = json.dumps([url, key, body, method]).encode()
    done = trial.node.run("python3", "-c", code, input=given, capture_output=True)
    status, answer = json.loads(done.stdout)
    return status, answer


def chat(trial: Trial, pod: dict[str, Any], key: str) -> int:
    return ask(trial, pod, "/v1/chat/completions", key, {**BODY, "max_tokens": 1})[0]


def count_until_limit(trial: Trial, pod: dict[str, Any], key: str) -> int:
    """Send requests until one is over the limit, and return how many were not."""
    for count in range(2 * PER_MINUTE):
        status = chat(trial, pod, key)
        if status != 200:
            assert status == 429
            return count
    raise AssertionError("no request was over the limit")


def create_key(trial: Trial, pod: dict[str, Any], name: str, **limits: int) -> str:
    status, answer = ask(trial, pod, "/api/v1/llm/keys", trial.key, {"name": name, **limits})
    assert status in (200, 201), answer
    return answer["key"]


def test_a_second_up_changes_nothing(stack: Trial) -> None:
    assert re.search(r"done: \d+ unchanged in", stack.novacron("up"))
    assert stack.run("status").returncode == 0


def test_a_key_made_at_one_coordinator_works_at_the_other_and_its_limit_is_for_both(stack: Trial) -> None:
    one, other = stack.pods("llm-coordinator")
    key = create_key(stack, one, "limited", requests_per_minute=PER_MINUTE)
    assert chat(stack, one, "sk-0000000000000000") == 401
    began = time.monotonic()
    wait_until(lambda: chat(stack, other, key) == 200, "the other coordinator knows the key")
    served = 1 + count_until_limit(stack, one, key)
    time.sleep(2)
    served += count_until_limit(stack, other, key)
    refilled = (time.monotonic() - began) * PER_MINUTE / 60
    # Coordinators exchange the usage every second, on a slow machine later. If each counted for itself, twice the limit
    # would be served.
    assert served <= 1.5 * PER_MINUTE + refilled


def test_a_deleted_pod_of_postgres_comes_back_with_its_keys(stack: Trial) -> None:
    key = create_key(stack, stack.pods("llm-coordinator")[0], "kept")
    stack.node.kubectl("delete", "pod", "llm-postgres-0", "-n", NAMESPACE, "--grace-period=0", "--force")
    assert chat(stack, stack.pods("llm-coordinator")[0], key) == 200, "known keys work without the database"
    wait_until(lambda: stack.run("status").returncode == 0, "Postgres is ready again", 120)
    # New coordinators know the key from the database only.
    stack.node.kubectl("delete", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=llm-coordinator")
    wait_until(lambda: stack.run("status").returncode == 0, "coordinators are ready again", 120)
    for pod in stack.pods("llm-coordinator"):
        wait_until(lambda at=pod: chat(stack, at, key) == 200, "a new coordinator knows the key")


def test_only_coordinators_reach_the_servers_and_these_reach_nothing(stack: Trial) -> None:
    coordinator, worker = stack.pods("llm-coordinator")[0], stack.pods("llm-workers")[0]
    for name, port in SERVERS.items():
        (server,) = stack.pods(name)
        address = server["status"]["podIP"]
        for client, expected in ((coordinator, "connected"), (worker, "")):
            command = ("exec", "-n", NAMESPACE, client["metadata"]["name"], "--", "python", "-c", CONNECT)
            assert stack.node.kubectl(*command, address, str(port), check=False).strip() == expected
        reach = f"exec 3<>/dev/tcp/{coordinator['status']['podIP']}/8080 && echo connected"
        command = ("exec", "-n", NAMESPACE, server["metadata"]["name"], "--", "timeout", "3", "bash", "-c", reach)
        assert stack.node.kubectl(*command, check=False).strip() == ""


def test_servers_want_their_passwords_which_are_not_in_their_arguments(stack: Trial) -> None:
    def run(pod: str, script: str) -> str:
        return stack.node.kubectl("exec", "-n", NAMESPACE, pod, "--", "sh", "-c", f"{script} 2>&1", check=False)

    denied = run("llm-postgres-0", "PGPASSWORD=wrong psql --host=$HOSTNAME --username=novacron -c 'select 1' novacron")
    assert "password authentication failed" in denied
    assert "no pg_hba.conf entry" in run("llm-postgres-0", "psql --host=$HOSTNAME --username=postgres postgres")
    assert "NOAUTH" in run("llm-redis-0", "valkey-cli ping")
    for pod, folder in (("llm-postgres-0", "database"), ("llm-redis-0", "redis")):
        password = run(pod, f"cat /etc/novacron-{folder}/password")
        assert len(password) == 43
        assert password not in run(pod, "cat /proc/*/cmdline /proc/1/environ | tr '\\0' ' '")


def test_the_documented_dump_brings_a_revoked_key_back(stack: Trial) -> None:
    def run(command: str, given: str = "") -> str:
        kubectl = [str(stack.node.program("kubectl")), "--kubeconfig", str(stack.node.kubeconfig)]
        inside = ["exec", "-i", "-n", NAMESPACE, "llm-postgres-0", "--", *command.split()]
        return subprocess.run([*kubectl, *inside], input=given, capture_output=True, text=True, check=True).stdout

    pod = stack.pods("llm-coordinator")[0]
    key = create_key(stack, pod, "backed-up")
    dump = run("pg_dump --clean --if-exists --host=/tmp --username=novacron novacron")
    revoked, _ = ask(stack, pod, "/api/v1/llm/keys/backed-up", stack.key, method="DELETE")
    assert revoked in (200, 204)
    assert chat(stack, pod, key) == 401
    run("psql --host=/tmp --username=novacron -v ON_ERROR_STOP=1 novacron", dump)
    wait_until(lambda: chat(stack, pod, key) == 200, "the key is back")


def test_down_is_refused_while_the_volume_is_protected(stack: Trial) -> None:
    refused = stack.run("down")
    assert refused.returncode != 0
    assert "protect" in refused.stdout + refused.stderr
    assert stack.ask().status_code == 200
