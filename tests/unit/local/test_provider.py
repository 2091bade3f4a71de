"""The provider of the local platform: what it accepts, and what it refuses from a caller who finds its port."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from novacron_infra.errors import LocalProcessError
from novacron_infra.local import process, provider, readiness
from novacron_infra.local.handlers import GENERATED_SECRET, PROCESS, READINESS
from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub, add_ResourceProviderServicer_to_server


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[process.ProcessSpec]:
    """The processes that the provider would start."""
    found: list[process.ProcessSpec] = []
    monkeypatch.setattr(process, "start", found.append)
    return found


@pytest.fixture
def stub(started: list[process.ProcessSpec]) -> Iterator[Any]:
    server, port = provider.serve()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield ResourceProviderStub(channel)
    server.stop(None).wait()


def urn(type_: str) -> str:
    return f"urn:pulumi:local::novacron::novacron:local:Serving${type_}::serving-x"


def struct(values: dict[str, Any]) -> Struct:
    return ParseDict(values, Struct())


def process_inputs(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "worker-0",
        "run_dir": str(tmp_path / ".novacron" / "run" / "local"),
        "module": "novacron_serving.worker",
        "config": json.dumps({"port": 9091}),
        "secret_env": {"NOVACRON_CLUSTER_TOKEN": "a secret"},
        "ports": {"workers.base_port": 9091},
        "ready_url": "http://127.0.0.1:9091/ready",
        "ready_timeout_s": 120,
        "triggers": "abc",
        "pass_env": ["AWS_*"],
        "timeout_field": "workers.start_timeout_s",
    } | changes


def readiness_inputs(**changes: Any) -> dict[str, Any]:
    urls = ["http://127.0.0.1:8080/ready"]
    return {"urls": urls, "processes": ["digest"], "timeout_s": 1, "logs": "/run/logs"} | changes


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "a module of his own": ("module", {"module": "os"}),
    "a module next to ours": ("module", {"module": "novacron_serving.training"}),
    "a variable that loads code": ("secret_env", {"secret_env": {"LD_PRELOAD": "/tmp/evil.so"}}),
    "a folder elsewhere": ("name", {"name": "../../../home"}),
    "a relative folder": ("run_dir", {"run_dir": "home"}),
    "a folder above": ("run_dir", {"run_dir": "/home/../etc"}),
    "an address elsewhere": ("ready_url", {"ready_url": "http://169.254.169.254/latest"}),
    "an address with a user": ("ready_url", {"ready_url": "http://127.0.0.1:80@evil.example/"}),
    "a configuration that is not JSON": ("config", {"config": "{"}),
    "a port that does not exist": ("ports", {"ports": {"workers.base_port": 70000}}),
    "an endless wait": ("ready_timeout_s", {"ready_timeout_s": 1e9}),
    "a pattern with code": ("pass_env", {"pass_env": ["$(id)"]}),
}


@pytest.mark.parametrize("attempt", REFUSED)
def test_a_process_that_is_not_novacron_s_is_refused(
    stub: Any, started: list[process.ProcessSpec], tmp_path: Path, attempt: str
) -> None:
    name, changes = REFUSED[attempt]
    inputs = struct(process_inputs(tmp_path, **changes))
    checked = stub.Check(provider_pb2.CheckRequest(urn=urn(PROCESS), news=inputs))
    assert [failure.property for failure in checked.failures] == [name]
    # A caller who skips the check gains nothing.
    with pytest.raises(grpc.RpcError, match="the resource is not valid"):
        stub.Create(provider_pb2.CreateRequest(urn=urn(PROCESS), properties=inputs))
    with pytest.raises(grpc.RpcError, match="the resource is not valid"):
        stub.Update(provider_pb2.UpdateRequest(urn=urn(PROCESS), news=inputs))
    assert started == []


def test_a_refusal_repeats_no_secret(stub: Any, tmp_path: Path) -> None:
    inputs = struct(process_inputs(tmp_path, secret_env={"NOVACRON_CLUSTER_TOKEN": ["hunter2"]}))
    failures = stub.Check(provider_pb2.CheckRequest(urn=urn(PROCESS), news=inputs)).failures
    assert [failure.property for failure in failures] == ["secret_env"]
    assert "hunter2" not in str(failures)


def test_a_process_of_novacron_is_started_as_described(
    stub: Any, started: list[process.ProcessSpec], tmp_path: Path
) -> None:
    inputs = process_inputs(tmp_path)
    request = provider_pb2.CreateRequest(urn=urn(PROCESS), properties=struct(inputs))
    assert not stub.Check(provider_pb2.CheckRequest(urn=urn(PROCESS), news=struct(inputs))).failures
    created = stub.Create(request)
    (spec,) = started
    assert created.id == "worker-0"
    assert MessageToDict(created.properties) == inputs | {"log": str(spec.log), "digest": spec.digest}
    assert spec.config == {"port": 9091}
    assert (spec.ports, spec.pass_env) == ({"workers.base_port": 9091}, ("AWS_*",))


def test_a_pickle_is_a_text_like_any_other(stub: Any, tmp_path: Path) -> None:
    """Pulumi's dynamic provider would run it."""
    marker = tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> Any:
            return Path.touch, (marker,)

    code = pickle.dumps(Payload(), protocol=0).decode("latin-1")
    for type_ in (PROCESS, READINESS, GENERATED_SECRET):
        stub.Check(provider_pb2.CheckRequest(urn=urn(type_), news=struct({"__provider": code})))
    stub.Create(provider_pb2.CreateRequest(urn=urn(GENERATED_SECRET), properties=struct({"__provider": code})))
    assert not marker.exists()


def test_requests_of_other_users_are_refused_before_anything_is_done() -> None:
    served = grpc.server(
        futures.ThreadPoolExecutor(2), interceptors=[provider.OwnerOnly(lambda peer: not peer.startswith("ipv4:"))]
    )
    add_ResourceProviderServicer_to_server(provider.LocalProvider(), served)
    port = served.add_insecure_port("127.0.0.1:0")
    served.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = ResourceProviderStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.Create(provider_pb2.CreateRequest(urn=urn(GENERATED_SECRET)))
    served.stop(None).wait()
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert "serves the user who started it" in refused.value.details()


def test_only_the_folder_of_a_process_is_deleted(stub: Any, tmp_path: Path) -> None:
    own, other = tmp_path / "worker-0", tmp_path / "documents"
    for folder in (own, other):
        folder.mkdir()
        (folder / "file").write_text("kept")
    (own / "lock").touch()
    for name in ("worker-0", "documents"):
        properties = struct({"name": name, "run_dir": str(tmp_path)})
        stub.Delete(provider_pb2.DeleteRequest(urn=urn(PROCESS), properties=properties))
    assert not own.exists()
    assert (other / "file").read_text() == "kept"


CHANGES: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "nothing": ({}, [], []),
    "the code": ({"triggers": "def"}, ["triggers"], []),
    "the folder": ({"run_dir": "/elsewhere"}, ["run_dir"], ["run_dir"]),
    "the name of the field in messages": ({"timeout_field": ""}, [], []),
    "the variables": ({"pass_env": []}, ["pass_env"], []),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_process_is_replaced_only_when_it_moves(stub: Any, tmp_path: Path, change: str) -> None:
    changes, diffs, replaces = CHANGES[change]
    found = stub.Diff(
        provider_pb2.DiffRequest(
            urn=urn(PROCESS),
            old_inputs=struct(process_inputs(tmp_path)),
            news=struct(process_inputs(tmp_path, **changes)),
        )
    )
    expected = provider_pb2.DiffResponse.DIFF_SOME if diffs else provider_pb2.DiffResponse.DIFF_NONE
    assert (list(found.diffs), list(found.replaces), found.changes) == (diffs, replaces, expected)
    assert found.deleteBeforeReplace


def test_a_process_of_the_previous_version_is_unchanged(stub: Any, tmp_path: Path) -> None:
    before = {key: value for key, value in process_inputs(tmp_path).items() if key not in ("pass_env", "timeout_field")}
    request = provider_pb2.DiffRequest(
        urn=urn(PROCESS),
        olds=struct(before | {"__provider": "pickled"}),
        news=struct(process_inputs(tmp_path, pass_env=[])),
    )
    assert stub.Diff(request).changes == provider_pb2.DiffResponse.DIFF_NONE
    assert stub.DiffConfig(provider_pb2.DiffRequest()).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_a_process_that_does_not_run_is_read_as_gone(stub: Any, tmp_path: Path) -> None:
    state = struct(process_inputs(tmp_path))
    assert stub.Read(provider_pb2.ReadRequest(urn=urn(PROCESS), id="worker-0", properties=state)).id == ""
    assert stub.Read(provider_pb2.ReadRequest(urn=urn(PROCESS), id="worker-0")).id == ""


def test_a_secret_is_generated_once_and_kept(stub: Any) -> None:
    made = [stub.Create(provider_pb2.CreateRequest(urn=urn(GENERATED_SECRET))) for _ in range(2)]
    values = [item.properties["value"] for item in made]
    assert len(set(values)) == len({item.id for item in made}) == 2
    assert all(len(value) == 43 for value in values)
    state = made[0].properties
    read = stub.Read(provider_pb2.ReadRequest(urn=urn(GENERATED_SECRET), id=made[0].id, properties=state))
    assert (read.id, read.properties) == (made[0].id, state)
    diff = stub.Diff(provider_pb2.DiffRequest(urn=urn(GENERATED_SECRET), olds=state, news=Struct()))
    assert diff.changes == provider_pb2.DiffResponse.DIFF_NONE


def test_a_readiness_waits_on_addresses_of_this_machine_only(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(readiness, "await_ready", lambda *arguments: asked.append(arguments))
    elsewhere = struct(readiness_inputs(urls=["http://example.com/"]))
    assert stub.Check(provider_pb2.CheckRequest(urn=urn(READINESS), news=elsewhere)).failures[0].property == "urls"
    with pytest.raises(grpc.RpcError, match="not an address of this machine"):
        stub.Create(provider_pb2.CreateRequest(urn=urn(READINESS), properties=elsewhere))
    stub.Create(provider_pb2.CreateRequest(urn=urn(READINESS), properties=struct(readiness_inputs())))
    assert asked == [(("http://127.0.0.1:8080/ready",), 1.0, "/run/logs")]


def test_a_failed_start_is_the_call_s_error_and_a_bug_shows_where(
    stub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = provider_pb2.CreateRequest(urn=urn(PROCESS), properties=struct(process_inputs(tmp_path)))

    def fail(error: Exception) -> Any:
        def start(_spec: process.ProcessSpec) -> None:
            raise error

        return start

    monkeypatch.setattr(process, "start", fail(LocalProcessError("worker-0: port 9091 is in use")))
    with pytest.raises(grpc.RpcError) as told:
        stub.Create(request)
    assert told.value.details() == "worker-0: port 9091 is in use"
    monkeypatch.setattr(process, "start", fail(ZeroDivisionError()))
    with pytest.raises(grpc.RpcError, match=r"a bug in novacron-local:[\s\S]*ZeroDivisionError"):
        stub.Create(request)


def test_an_unknown_type_is_named(stub: Any) -> None:
    with pytest.raises(grpc.RpcError, match="has no resource type 'novacron-local:index:Shell'"):
        stub.Create(provider_pb2.CreateRequest(urn=urn("novacron-local:index:Shell")))


def test_the_provider_says_its_version_and_takes_no_secrets(stub: Any) -> None:
    assert stub.GetPluginInfo(Empty()).version == provider.VERSION
    assert not stub.Configure(provider_pb2.ConfigureRequest()).acceptSecrets
