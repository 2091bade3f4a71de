"""The component: a coordinator and its workers as processes on 127.0.0.1."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pulumi

from novacron_infra.config.local import CoordinatorConfig, ModelConfig, WorkersConfig
from novacron_infra.errors import LocalProcessError
from novacron_infra.generated import GeneratedSecret
from novacron_infra.local.resources import LocalProcess, LocalReadiness

HASHED_WHOLE_BYTES = 16 * 2**20
COORDINATOR_START_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalServingArgs:
    """What to run."""

    run_dir: Path
    """Folder of logs, pid files, process configuration, and the coordinator's database."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """A path in it that is relative starts at the working directory."""
    coordinator: CoordinatorConfig = field(default_factory=CoordinatorConfig)
    workers: WorkersConfig = field(default_factory=WorkersConfig)


class LocalServing(pulumi.ComponentResource):
    """The serving stack on this machine.

    Raises:
        LocalProcessError: when novacron-serving is not installed or the model folder is missing.
    """

    endpoint: pulumi.Output[str]
    """Base URL of the OpenAI-compatible API, `http://127.0.0.1:<port>/v1`."""
    model: pulumi.Output[str]
    """The model's id."""
    logs: pulumi.Output[str]
    """Folder of the processes' logs."""
    admin_key: pulumi.Output[str] | None
    """The administrator's API key, a secret; None where clients need no key."""

    def __init__(self, name: str, args: LocalServingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("novacron:local:Serving", name, None, opts)
        package = _serving_package()
        contract: dict[str, Any] = json.loads((package / "protocol" / "contract.json").read_text())
        model_path = (args.model.path or package / "models" / "tiny").resolve()
        if problem := _model_problem(model_path):
            raise LocalProcessError(
                f"novacron:environment.model.path = {model_path}: {problem}. Name a Hugging Face model folder"
            )
        code = digest_of_folder(package, "*.py")
        variables, paths = contract["environment"], contract["paths"]
        under = pulumi.ResourceOptions(parent=self)
        token = {variables["cluster_token"]: GeneratedSecret(f"{name}-token", under).value}
        self.admin_key = GeneratedSecret(f"{name}-admin-key", under).value if args.coordinator.api_keys else None
        http_port, grpc_port = args.coordinator.http_port, args.coordinator.grpc_port
        kept = args.run_dir / "coordinator"
        coordinator = LocalProcess(
            f"{name}-coordinator",
            service="coordinator",
            run_dir=args.run_dir,
            module=contract["processes"]["coordinator"]["module"],
            config=_coordinator_config(args, kept),
            secret_env=token | ({variables["admin_key"]: self.admin_key} if self.admin_key is not None else {}),
            ports={"coordinator.http_port": http_port, "coordinator.grpc_port": grpc_port},
            ready_url=f"http://127.0.0.1:{http_port}{paths['health']}",
            ready_timeout_s=COORDINATOR_START_TIMEOUT_S,
            triggers=code,
            opts=under,
        )
        model_digest = digest_of_folder(model_path, "*")
        processes = [coordinator]
        ready_urls = [f"http://127.0.0.1:{http_port}{paths['ready']}"]
        for index in range(args.workers.count):
            port = args.workers.base_port + index
            ready_urls.append(f"http://127.0.0.1:{port}{paths['ready']}")
            worker = LocalProcess(
                f"{name}-worker-{index}",
                service=f"worker-{index}",
                run_dir=args.run_dir,
                module=contract["processes"]["worker"]["module"],
                config={
                    "worker_id": f"worker-{index}",
                    "port": port,
                    "coordinator": f"127.0.0.1:{grpc_port}",
                    "model": {"id": args.model.id, "path": str(model_path)},
                    "model_cache": str(kept / "models"),
                    "engine": {
                        "kind": "pytorch",
                        "device": args.workers.device.value,
                        "threads": args.workers.threads,
                        "quantization": args.model.quantization.value,
                    },
                },
                secret_env=token,
                ports={"workers.base_port": port},
                ready_url=ready_urls[-1],
                ready_timeout_s=args.workers.start_timeout_s,
                triggers=code + model_digest,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[coordinator]),
            )
            processes.append(worker)
        # A coordinator that was restarted alone has to hear from its workers again.
        ready = LocalReadiness(
            f"{name}-ready",
            urls=ready_urls,
            processes=[process.digest for process in processes],
            timeout_s=args.workers.start_timeout_s,
            logs=args.run_dir / "logs",
            opts=pulumi.ResourceOptions(parent=self, depends_on=processes),
        )
        self.endpoint = ready.id.apply(lambda _: f"http://127.0.0.1:{http_port}/v1")
        self.model = pulumi.Output.from_input(args.model.id)
        self.logs = pulumi.Output.from_input(str(args.run_dir / "logs"))
        self.register_outputs({"endpoint": self.endpoint, "model": self.model, "logs": self.logs})


def _coordinator_config(args: LocalServingArgs, folder: Path) -> dict[str, Any]:
    """As novacron-serving reads it; what the coordinator keeps goes into its `folder`, and goes with it."""
    wanted = args.coordinator
    cache = wanted.answer_cache
    return {
        "http_port": wanted.http_port,
        "grpc_port": wanted.grpc_port,
        "minimum_workers": args.workers.count,
        "routing": wanted.routing.value,
        "max_requests": wanted.max_requests,
        "queue_timeout_s": wanted.queue_timeout_s,
        "minimum_quality": wanted.minimum_quality,
        "database_url": f"sqlite:///{folder / 'coordinator.db'}",
        "cache": cache
        and {
            "memory_mib": cache.memory_mib,
            "ttl_s": cache.ttl_s,
            **({"disk": str(folder / "answers"), "disk_mib": cache.disk_mib} if cache.disk_mib else {}),
        },
    }


def _serving_package() -> Path:
    """The installed package's folder. It is read as data and run as processes, never imported."""
    found = find_spec("novacron_serving")
    if found is None or not found.submodule_search_locations:
        raise LocalProcessError("the package novacron-serving is not installed here; run `make up`, or pip install it")
    return Path(next(iter(found.submodule_search_locations)))


def _model_problem(folder: Path) -> str | None:
    """What a Hugging Face model folder would have and this one lacks, as far as that shows before it is loaded."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except OSError:
        return "holds no config.json"
    except ValueError as error:
        return f"its config.json is not valid JSON ({error})"
    if not isinstance(config, dict) or "model_type" not in config:
        return "its config.json names no model_type"
    if not any(any(folder.glob(pattern)) for pattern in ("*.safetensors", "*.bin")):
        return "holds no weights (*.safetensors or *.bin)"
    return None


def digest_of_folder(folder: Path, pattern: str) -> str:
    """What the files are: small ones by content, large ones by size and time of change."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob(pattern)):
        if not file.is_file() or "__pycache__" in file.parts:
            continue
        status = file.stat()
        digest.update(f"{file.relative_to(folder)}\0{status.st_size}\0".encode())
        if status.st_size <= HASHED_WHOLE_BYTES:
            digest.update(file.read_bytes())
        else:
            digest.update(str(status.st_mtime_ns).encode())
    return digest.hexdigest()
