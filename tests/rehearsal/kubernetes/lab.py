"""A project whose program deploys to a cluster with NovaCron's own provider."""

from __future__ import annotations

import textwrap
from collections.abc import Generator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from novacron_rehearsal import Options, Result, Severity, Workspace
from novacron_rehearsal.events import Event
from novacron_rehearsal.kubernetes.provider import KubernetesProvider
from novacron_rehearsal.protocol.channels import CHANNEL_OPTIONS
from novacron_rehearsal.providers.serving import EngineLog
from novacron_rehearsal.state.resource import ResourceState
from pulumi.runtime.proto.provider_pb2_grpc import add_ResourceProviderServicer_to_server

PRELUDE = """
from pathlib import Path
import pulumi
import pulumi_kubernetes as k8s

config = (Path(__file__).parent / "kubeconfig").read_text()
cluster = k8s.Provider("cluster", kubeconfig=config, enable_server_side_apply=True)
O = pulumi.ResourceOptions
on = O(provider=cluster)
Meta = k8s.meta.v1.ObjectMetaArgs
"""


class ClusterLab:
    """A project in a temporary folder, and its cluster.

    The provider runs in the test's own process, unless `started` is set: then the engine starts it.
    """

    def __init__(self, folder: Path, kubeconfig: str) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.started = False
        (folder / "Pulumi.yaml").write_text("name: lab\nruntime: python\n")
        (folder / "kubeconfig").write_text(kubeconfig)
        self.workspace = Workspace(
            folder,
            "dev",
            passphrase="correct horse",
            env={"PATH": "/usr/bin:/bin", "PULUMI_HOME": str(folder / "home")},
        )

    def write(self, program: str) -> None:
        """Set the program; `k8s`, `Meta`, `O` and `on` (options with the provider) are there."""
        (self.folder / "__main__.py").write_text(PRELUDE + textwrap.dedent(program))

    def run(self, operation: str, program: str | None = None, **options: Any) -> Result:
        """Run an operation, with a new program when one is given."""
        if program is not None:
            self.write(program)
        run = getattr(self.workspace, operation)
        if self.started:
            return run(Options(in_process=True, **options), self.events.append)
        with _serve_provider() as port:
            return run(Options(in_process=True, attached_providers={"kubernetes": port}, **options), self.events.append)

    def up(self, program: str | None = None, **options: Any) -> Result:
        """Run `up`."""
        return self.run("up", program, **options)

    def warnings(self, result: Result) -> list[str]:
        """The warnings of a run."""
        return [item.message for item in result.diagnostics if item.severity is Severity.WARNING]

    def steps(self, result: Result) -> list[tuple[str, str]]:
        """(operation, name) of every step of an object that changed."""
        return [
            (step.op.value, step.urn.rsplit("::", 1)[-1])
            for step in result.steps
            if "::kubernetes:" in step.urn and step.op.value != "same"
        ]

    def state(self, name: str) -> ResourceState:
        """The resource of a name."""
        return next(one for one in self.workspace.snapshot().resources if one.urn.endswith(f"::{name}"))


@contextmanager
def _serve_provider() -> Generator[int]:
    provider = KubernetesProvider(EngineLog(""))
    server = grpc.server(futures.ThreadPoolExecutor(16), options=CHANNEL_OPTIONS)
    add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        provider.close()
        server.stop(None).wait()
