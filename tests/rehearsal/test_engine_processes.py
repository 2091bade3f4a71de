"""No process outlives the engine, even when the engine is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap

import pytest
from novacron_rehearsal.state.secrets import Secrets
from novacron_rehearsal.values import Secret

from tests.rehearsal.conftest import Lab

ENGINE = """
import sys
import tempfile
from pathlib import Path
from novacron_rehearsal import Options, Workspace
workspace = Workspace(Path(sys.argv[1]), "dev", passphrase="x")
workspace.up(Options(), lambda event: print(getattr(event, "message", ""), flush=True))
"""


def test_the_program_ends_when_its_engine_is_killed(lab: Lab) -> None:
    fifo = lab.folder / "fifo"
    os.mkfifo(fifo)
    lab.write(f'import os, time\nopened = open({str(fifo)!r}, "w")\nprint("running", flush=True)\ntime.sleep(60)')
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    engine = subprocess.Popen([sys.executable, "-c", ENGINE, str(lab.folder)], stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    assert any("running" in line for line in iter(engine.stdout.readline, ""))
    engine.send_signal(signal.SIGKILL)
    engine.wait(10)
    os.set_blocking(reader, True)
    with os.fdopen(reader) as held_by_the_program:
        # The end of the file comes when the last process that holds it open is gone.
        assert held_by_the_program.read() == ""


def test_a_proxy_in_the_environment_is_not_used_on_this_machine(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    result = lab.up(
        """
        from pulumi.dynamic import CreateResult, Resource, ResourceProvider

        class Note(ResourceProvider):
            def create(self, props):
                return CreateResult("made", props)

        class Piece(Resource):
            def __init__(self):
                super().__init__(Note(), "piece", {})

        Piece()
        """,
        in_process=False,
    )
    assert result.succeeded, result.errors


def test_configured_secrets_are_not_in_the_arguments_of_the_program(lab: Lab) -> None:
    lab.write(
        """
        from pathlib import Path
        process = Path("/proc/self")
        for name in ("cmdline", "environ"):
            Path(name).write_bytes((process / name).read_bytes())
        pulumi.export("read", pulumi.Config().require_secret("password"))
        """
    )
    sealed = Secrets.new("correct horse")
    (lab.folder / "Pulumi.dev.yaml").write_text(
        json.dumps(
            {"encryptionsalt": sealed.state, "config": {"lab:password": {"secure": sealed.encrypt("hunter2-secret")}}}
        )
    )
    result = lab.up(in_process=False)
    assert result.succeeded, result.errors
    assert result.outputs == {"read": Secret("hunter2-secret")}
    for name in ("cmdline", "environ"):
        content = (lab.folder / name).read_bytes()
        assert content
        assert b"hunter2" not in content


def test_a_configuration_larger_than_the_limit_of_an_argument_reaches_the_program(lab: Lab) -> None:
    (lab.folder / "Pulumi.dev.yaml").write_text(json.dumps({"config": {"lab:text": "x" * 3_000_000}}))
    lab.write('import sys\npulumi.export("sizes", [len(pulumi.Config().require("text")), len(sys.stdin.read())])')
    result = lab.up(in_process=False)
    assert result.succeeded, result.errors
    assert result.outputs == {"sizes": [3_000_000, 0]}


def test_other_local_users_reach_neither_dynamic_providers_nor_the_registration_of_resources(lab: Lab) -> None:
    """A user who reaches one of them can run code as the user who deploys."""
    (lab.folder / "note_provider.py").write_text(
        textwrap.dedent(
            """
            from pulumi.dynamic import CreateResult, Resource, ResourceProvider

            class Note(ResourceProvider):
                def create(self, props):
                    return CreateResult("made", props)

            class Piece(Resource):
                def __init__(self):
                    super().__init__(Note(), "piece", {})
            """
        )
    )
    result = lab.up(
        """
        import os
        import grpc
        import note_provider
        import psutil
        from pulumi.runtime.proto import provider_pb2
        from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub
        from pulumi.runtime.proto.resource_pb2 import SupportsFeatureRequest
        from pulumi.runtime.proto.resource_pb2_grpc import ResourceMonitorStub

        def listening_ports():
            engine = psutil.Process(os.getppid())
            processes = [engine, *engine.children(recursive=True)]
            found = [item for process in processes for item in process.net_connections("tcp")]
            return {item.laddr.port for item in found if item.status == psutil.CONN_LISTEN}

        def reached(port):
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                for call, request in (
                    (ResourceProviderStub(channel).Check, provider_pb2.CheckRequest(urn="urn:pulumi:a::b::c::attack")),
                    (ResourceMonitorStub(channel).SupportsFeature, SupportsFeatureRequest(id="secrets")),
                ):
                    try:
                        call(request, timeout=2)
                        yield port
                    except grpc.RpcError as error:
                        if "__provider" in (error.details() or ""):
                            yield port

        def attack(_):
            return [port for candidate in listening_ports() - {SIM} for port in reached(candidate)]

        piece = note_provider.Piece()
        pulumi.export("made", piece.id)
        pulumi.export("ports", piece.id.apply(lambda _: len(listening_ports())))
        pulumi.export("reached", piece.id.apply(attack))
        monitor = os.environ["PULUMI_MONITOR"].removeprefix("unix:")
        pulumi.export("mode", oct(os.stat(os.path.dirname(monitor)).st_mode & 0o777))
        """.replace("SIM", str(lab.port)),
        in_process=False,
    )
    assert result.succeeded, result.errors
    # At least the ports of the simulated provider and the engine; other tests' servers may run in this process too.
    assert result.outputs.pop("ports") >= 2
    assert result.outputs == {"made": "made", "reached": [], "mode": "0o700"}


def test_a_long_path_of_temporary_files_does_not_prevent_a_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lab.folder / ("long" * 40)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    result = lab.up('pulumi.export("made", Thing("a").made)')
    assert result.succeeded, result.errors
    assert result.outputs == {"made": "id-1"}
