"""A local process and the deploying user's secrets: what other users can read, call and forge."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from novacron_infra.clock import ManualClock
from novacron_infra.local import process, provider
from novacron_infra.local.contract import ServedProcess, read_contract
from novacron_infra.local.process import ProcessSpec
from novacron_infra.local.state_files import read_state

from tests.polling import wait_until

from .test_local_platform_process import processes_of, spec

__all__ = ["spec"]
NOBODY = 65534
CALLER = """
import os, sys
import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

os.setuid(int(sys.argv[2]))
with grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}") as channel:
    stub = ResourceProviderStub(channel)
    urn = "urn:pulumi:local::novacron::novacron-local:index:GeneratedSecret::x"
    for call in (
        lambda: stub.GetPluginInfo(Empty()),
        lambda: stub.Check(provider_pb2.CheckRequest(urn=urn, news=Struct())),
        lambda: stub.Create(provider_pb2.CreateRequest(urn=urn, properties=Struct())),
    ):
        try:
            call()
            print("OK")
        except grpc.RpcError as error:
            print(error.code().name)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with the stack."""
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield started
    started.kill()
    started.wait()


def environments(spec: ProcessSpec) -> list[dict[str, str]]:
    return [psutil.Process(pid).environ() for pid in processes_of(spec)]


def test_the_deployer_s_cloud_credentials_reach_no_process(spec: ProcessSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "ARM_CLIENT_SECRET", "GOOGLE_CREDENTIALS"):
        monkeypatch.setenv(name, "of the deployer")
    monkeypatch.setenv("LC_TIME", "C")
    process.start(spec)
    found = environments(spec)
    assert len(found) == 2
    for environment in found:
        assert "of the deployer" not in environment.values()
        assert (environment["LC_TIME"], environment["TOKEN"]) == ("C", "a secret")
    process.start(replace(spec, pass_env=("AWS_*",)))
    assert [item.get("AWS_SECRET_ACCESS_KEY") for item in environments(spec)] == ["of the deployer"] * 2
    assert all("ARM_CLIENT_SECRET" not in item for item in environments(spec))


@pytest.mark.parametrize("kind", ["worker", "coordinator"])
def test_the_deployer_s_hugging_face_token_reaches_workers_only(
    spec: ProcessSpec, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", "of the deployer")
    processes = {"worker": ServedProcess(module="other"), kind: ServedProcess(module=spec.module)}
    contract = read_contract().model_copy(update={"processes": processes})
    monkeypatch.setattr(process, "read_contract", lambda: contract)
    process.start(spec)
    assert [item.get("HF_TOKEN") for item in environments(spec)] == [
        "of the deployer" if kind == "worker" else None
    ] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="limits of other processes can be read on Linux only")
def test_no_process_leaves_a_core_dump(spec: ProcessSpec) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    process.start(spec)
    for pid in processes_of(spec):
        assert psutil.Process(pid).rlimit(resource.RLIMIT_CORE) == (0, 0)


def test_every_file_is_closed_to_other_users_whatever_the_umask(spec: ProcessSpec) -> None:
    umask = os.umask(0)
    try:
        spec.folder.mkdir(parents=True)
        (spec.folder / "coordinator.db").touch()
        spec.log.parent.mkdir()
        spec.log.touch()
        process.start(spec)
        wait_until(lambda: "token" in spec.log.read_text(), "the process has written to its log")
    finally:
        os.umask(umask)
    paths = [spec.run_dir, *spec.run_dir.rglob("*")]
    assert {path.name for path in paths} >= {
        "run",
        "logs",
        "service",
        "service.log",
        "state.json",
        "config.json",
        "lock",
    }
    assert {path.name: oct(path.stat().st_mode & 0o077) for path in paths} == {path.name: "0o0" for path in paths}


def test_stop_leaves_a_process_alone_that_only_the_state_file_names(
    spec: ProcessSpec, other: subprocess.Popen[bytes]
) -> None:
    process.start(spec)
    state = read_state(spec.folder)
    (spec.folder / "state.json").write_text(json.dumps(state | {"supervisor_pid": other.pid}))
    process.stop(spec.folder)
    assert other.poll() is None
    assert not process.is_alive(spec.folder)
    wait_until(lambda: processes_of(spec) == [], "the process has ended")


def test_a_state_file_without_a_supervisor_stops_nothing(spec: ProcessSpec, other: subprocess.Popen[bytes]) -> None:
    spec.folder.mkdir(parents=True)
    (spec.folder / "lock").touch()
    for pid in (other.pid, 1, 0, -1, 2**40, True, "1"):
        (spec.folder / "state.json").write_text(json.dumps({"supervisor_pid": pid}))
        process.stop(spec.folder)
    assert other.poll() is None


def test_a_process_whose_files_are_gone_is_found_and_stopped(spec: ProcessSpec) -> None:
    process.start(spec)
    shutil.rmtree(spec.run_dir)
    assert process.find_folders(spec.run_dir) == [spec.folder]
    process.remove(spec.folder)
    wait_until(lambda: processes_of(spec) == [], "the process has ended")
    assert process.find_folders(spec.run_dir) == []


def test_a_supervisor_that_ignores_the_signal_is_killed(spec: ProcessSpec) -> None:
    process.start(spec)
    os.kill(read_state(spec.folder)["supervisor_pid"], signal.SIGSTOP)
    process.stop(spec.folder, ManualClock())
    wait_until(lambda: processes_of(spec) == [], "the process has ended")


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs Linux and root, to become another user")
@pytest.mark.parametrize(("user", "answers"), [(NOBODY, ["PERMISSION_DENIED"] * 3), (0, ["OK"] * 3)])
def test_only_the_deploying_user_reaches_the_provider(user: int, answers: list[str]) -> None:
    server, port = provider.serve()
    try:
        done = subprocess.run(
            [sys.executable, "-c", CALLER, str(port), str(user)], capture_output=True, text=True, check=True
        )
    finally:
        server.stop(None).wait()
    assert done.stdout.split() == answers
