"""LocalServing: a coordinator and its workers as processes on 127.0.0.1."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import pulumi

from novacron_infra.config.local import CoordinatorConfig, ModelConfig, WorkersConfig
from novacron_infra.config.problems import problem
from novacron_infra.errors import ConfigurationError, Problem
from novacron_infra.local.contract import find_serving, read_contract
from novacron_infra.local.model_folder import digest_folder, find_model_problem
from novacron_infra.local.ports import can_listen, describe_holder
from novacron_infra.local.process import find_own_ports
from novacron_infra.local.resources import LocalProcess, LocalReadiness, LocalSecret
from novacron_infra.workloads.serving_config import build_coordinator_file, build_pytorch_worker_file

COORDINATOR = "coordinator"
COORDINATOR_START_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalServingArgs:
    """Arguments of LocalServing."""

    run_dir: Path
    """The folder of logs, state, process configuration, and the coordinator's database."""
    model: ModelConfig = field(default_factory=ModelConfig)
    models: tuple[ModelConfig, ...] = ()
    """Several models, in place of `model`."""
    base_folder: Path = Path()
    """The folder in which relative paths of models start: the working directory, unless set."""
    coordinator: CoordinatorConfig = field(default_factory=CoordinatorConfig)
    workers: WorkersConfig = field(default_factory=WorkersConfig)
    pass_env: tuple[str, ...] = ()
    """Further environment variables that the processes inherit, by name or pattern, such as `AWS_*`."""

    @property
    def served_models(self) -> tuple[ModelConfig, ...]:
        """The models to serve, at least one."""
        return self.models or (self.model,)


class LocalServing(pulumi.ComponentResource):
    """The serving stack on this machine.

    Raises:
        LocalProcessError: novacron-serving is not installed.
        ConfigurationError: the folder or chat template of a model is missing, or ports are in use. A preview only
            warns about ports.
    """

    endpoint: pulumi.Output[str]
    """Base URL of the OpenAI-compatible API, `http://127.0.0.1:<port>/v1`."""
    model: pulumi.Output[str]
    """The id of the model, or of the first of several."""
    logs: pulumi.Output[str]
    """The folder of the processes' logs."""
    admin_key: pulumi.Output[str] | None
    """The administrator's API key, a secret; None where clients need no key."""

    def __init__(self, name: str, args: LocalServingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("novacron:local:Serving", name, None, opts)
        contract, package = read_contract(), find_serving()
        models = _find_models(args, package)
        _check_ports(args)
        code = digest_folder(package, "*.py")
        paths = contract.paths
        child = pulumi.ResourceOptions(parent=self)
        token = {contract.environment["cluster_token"]: LocalSecret(f"{name}-token", child).value}
        self.admin_key = LocalSecret(f"{name}-admin-key", child).value if args.coordinator.api_keys else None
        admin = {} if self.admin_key is None else {contract.environment["admin_key"]: self.admin_key}
        http_port, grpc_port = args.coordinator.http_port, args.coordinator.grpc_port
        data = args.run_dir / COORDINATOR
        shared: _Shared = {"run_dir": args.run_dir, "pass_env": args.pass_env}
        coordinator = LocalProcess(
            f"{name}-coordinator",
            service=COORDINATOR,
            module=contract.processes["coordinator"].module,
            config=build_coordinator_file(
                args.coordinator,
                http_port=http_port,
                grpc_port=grpc_port,
                minimum_workers=len(models) * args.workers.count,
                database_url=f"sqlite:///{data / 'coordinator.db'}",
                cache_folder=data / "answers",
            ),
            secret_env=token | admin,
            ports={"coordinator.http_port": http_port, "coordinator.grpc_port": grpc_port},
            ready_url=f"http://127.0.0.1:{http_port}{paths['health']}",
            ready_timeout_s=COORDINATOR_START_TIMEOUT_S,
            triggers=code,
            opts=child,
            **shared,
        )
        processes = [coordinator]
        ready_urls = [f"http://127.0.0.1:{http_port}{paths['ready']}"]
        for index, found in enumerate(item for item in models for _ in range(args.workers.count)):
            worker_id, port = _worker(args.workers, index)
            ready_urls.append(f"http://127.0.0.1:{port}{paths['ready']}")
            worker = LocalProcess(
                f"{name}-{worker_id}",
                service=worker_id,
                module=contract.processes["worker"].module,
                config=build_pytorch_worker_file(
                    args.workers,
                    {"id": found.settings.id, "path": str(found.folder)},
                    quantization=found.settings.quantization,
                    max_context_tokens=found.settings.context_tokens,
                    chat_template=found.chat_template,
                    worker_id=worker_id,
                    port=port,
                    coordinator=f"127.0.0.1:{grpc_port}",
                    model_cache=data / "models",
                ),
                secret_env=token,
                ports={"workers.base_port": port},
                ready_url=ready_urls[-1],
                ready_timeout_s=args.workers.start_timeout_s,
                timeout_field="workers.start_timeout_s",
                triggers=code + found.digest,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[coordinator]),
                **shared,
            )
            processes.append(worker)
        # Workers register again with a coordinator that was restarted alone.
        ready = LocalReadiness(
            f"{name}-ready",
            urls=ready_urls,
            processes=[process.digest for process in processes],
            timeout_s=args.workers.start_timeout_s,
            logs=args.run_dir / "logs",
            opts=pulumi.ResourceOptions(parent=self, depends_on=processes),
        )
        self.endpoint = ready.id.apply(lambda _: f"http://127.0.0.1:{http_port}/v1")
        self.model = pulumi.Output.from_input(args.served_models[0].id)
        self.logs = pulumi.Output.from_input(str(args.run_dir / "logs"))
        self.register_outputs({"endpoint": self.endpoint, "model": self.model, "logs": self.logs})


class _Shared(TypedDict):
    """Arguments of every process."""

    run_dir: Path
    pass_env: tuple[str, ...]


def _worker(workers: WorkersConfig, index: int) -> tuple[str, int]:
    """Return the name and the port of a worker."""
    return f"worker-{index}", workers.base_port + index


@dataclass(frozen=True, slots=True)
class _FoundModel:
    """A model, and its files on this machine."""

    settings: ModelConfig
    folder: Path
    chat_template: Path | None
    digest: str
    """Changes with the files."""


def _find_models(args: LocalServingArgs, package: Path) -> list[_FoundModel]:
    """Return the models to serve. Without a path it is the tiny model that ships with novacron-serving."""
    problems: list[Problem] = []
    found: list[_FoundModel] = []
    for index, settings in enumerate(args.served_models):
        key = f"models.{index}" if args.models else "model"
        path, template = settings.path, settings.chat_template
        folder = (package / "models" / "tiny" if path is None else args.base_folder / path).resolve()
        if path is not None and (wrong := find_model_problem(folder)):
            fix = "Name a Hugging Face model folder, or leave the path out for the tiny model"
            problems.append(problem(f"{key}.path", str(path), f"{folder} {wrong}", fix))
            continue
        chat_template = None if template is None else (args.base_folder / template).resolve()
        if chat_template is not None and not chat_template.is_file():
            rule, fix = f"{chat_template} is not a file", "Name a file with a Jinja chat template, or leave it out"
            problems.append(problem(f"{key}.chat_template", str(template), rule, fix))
            continue
        text = "" if chat_template is None else hashlib.sha256(chat_template.read_bytes()).hexdigest()
        found.append(_FoundModel(settings, folder, chat_template, digest_folder(folder, "*") + text))
    if problems:
        raise ConfigurationError(problems)
    return found


def _check_ports(args: LocalServingArgs) -> None:
    """Report all ports that other programs use, before anything is started."""
    settings = args.coordinator
    wanted = [
        (COORDINATOR, "coordinator.http_port", settings.http_port, settings.http_port),
        (COORDINATOR, "coordinator.grpc_port", settings.grpc_port, settings.grpc_port),
    ]
    for index in range(len(args.served_models) * args.workers.count):
        worker_id, port = _worker(args.workers, index)
        wanted.append((worker_id, "workers.base_port", args.workers.base_port, port))
    problems = [
        _port_problem(service, key, value, port)
        for service, key, value, port in wanted
        if not can_listen(port) and port not in find_own_ports(args.run_dir / service)
    ]
    if not problems:
        return
    error = ConfigurationError(problems)
    if not pulumi.runtime.is_dry_run():
        raise error
    pulumi.log.warn(str(error))


def _port_problem(service: str, key: str, value: int, port: int) -> Problem:
    holder = describe_holder(port)
    of = "" if port == value else f" of {service}"
    return problem(key, value, f"port {port}{of} is in use{holder.description}", holder.remedy)
