"""`LocalServing`: a coordinator and its workers as processes on this machine, as one Pulumi component."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulumi import ComponentResource, Output, ResourceOptions

from novacron_infra.local import fingerprint
from novacron_infra.local.processes import HOST, LOGS_FOLDER, Port, ServiceSpec
from novacron_infra.local.resources import ClusterToken, LocalProcess, ServingReady

SERVING_PACKAGE = "novacron_serving"
COORDINATOR = "coordinator"


@dataclass(frozen=True, kw_only=True)
class LocalServingArgs:
    """What runs on this machine. All values are plain: they decide how many processes there are."""

    model_id: str
    """What clients call the model."""
    model_path: Path
    """A Hugging Face model folder."""
    run_dir: Path
    """Where configuration, state and logs of the processes go; removed by `novacron down`."""
    http_port: int = 8080
    grpc_port: int = 9090
    worker_count: int = 2
    worker_base_port: int = 9091
    """Worker n listens on this plus n."""
    engine_kind: str = "pytorch"
    device: str = "cpu"
    engine_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    coordinator_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    ready_timeout_s: float = 180.0
    """For each process to be ready, model loading included."""
    stop_grace_s: float = 10.0
    """For each process to finish its streams after SIGTERM."""


class LocalServing(ComponentResource):
    """The serving stack as supervised processes: coordinator first, then the workers, then all ready together."""

    endpoint: Output[str]
    """Base URL of the OpenAI API, without `/v1`; known once the stack answers."""
    models: Output[list[str]]
    logs_dir: Output[str]

    def __init__(self, name: str, args: LocalServingArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("novacron:local:LocalServing", name, None, opts)
        code = fingerprint.of_package(SERVING_PACKAGE)
        model = fingerprint.of_folder(args.model_path)
        token = ClusterToken(f"{name}-token", ResourceOptions(parent=self))
        coordinator_spec = _coordinator(args, code)
        coordinator = LocalProcess(
            f"{name}-coordinator", coordinator_spec, token=token.token, opts=ResourceOptions(parent=self)
        )
        workers = {
            spec.service: LocalProcess(
                f"{name}-{spec.service}",
                spec,
                token=token.token,
                model_path=args.model_path,
                opts=ResourceOptions(parent=self, depends_on=[coordinator]),
            )
            for spec in (_worker(args, index, f"{code}-{model}") for index in range(args.worker_count))
        }
        processes = {COORDINATOR: coordinator, **workers}
        ready = ServingReady(
            f"{name}-ready",
            coordinator=coordinator_spec,
            ready_path="/ready",
            instances={service: process.instance for service, process in processes.items()},
            opts=ResourceOptions(parent=self),
        )

        def once_ready(_id: str) -> str:
            return f"http://{HOST}:{args.http_port}"

        self.endpoint = ready.id.apply(once_ready)
        self.models = Output.from_input([args.model_id])
        self.logs_dir = Output.from_input(str(args.run_dir / LOGS_FOLDER))
        self.register_outputs({"endpoint": self.endpoint, "models": self.models, "logsDir": self.logs_dir})


def _coordinator(args: LocalServingArgs, code: str) -> ServiceSpec:
    return ServiceSpec(
        service=COORDINATOR,
        run_dir=args.run_dir,
        command=[sys.executable, "-m", f"{SERVING_PACKAGE}.coordinator", "--config", "{config}"],
        config={
            "host": HOST,
            "http_port": args.http_port,
            "grpc_port": args.grpc_port,
            "minimum_workers": args.worker_count,
            **args.coordinator_settings,
        },
        ports=[
            Port(args.http_port, "local.coordinator.http_port"),
            Port(args.grpc_port, "local.coordinator.grpc_port"),
        ],
        ready_url_port=args.http_port,
        ready_path="/health",
        ready_timeout_s=args.ready_timeout_s,
        stop_grace_s=args.stop_grace_s,
        fingerprint=code,
    )


def _worker(args: LocalServingArgs, index: int, read_besides: str) -> ServiceSpec:
    port = args.worker_base_port + index
    return ServiceSpec(
        service=f"worker-{index}",
        run_dir=args.run_dir,
        command=[sys.executable, "-m", f"{SERVING_PACKAGE}.worker", "--config", "{config}"],
        config={
            "worker_id": f"worker-{index}",
            "host": HOST,
            "port": port,
            "coordinator": f"{HOST}:{args.grpc_port}",
            "model": {"id": args.model_id, "path": str(args.model_path)},
            "engine": {"kind": args.engine_kind, "device": args.device, **args.engine_settings},
        },
        ports=[Port(port, f"local.workers.base_port (+{index})")],
        ready_url_port=port,
        ready_path="/ready",
        ready_timeout_s=args.ready_timeout_s,
        stop_grace_s=args.stop_grace_s,
        fingerprint=read_besides,
    )
