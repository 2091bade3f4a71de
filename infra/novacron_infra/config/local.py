"""LocalEnvironment: the serving stack as processes on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from novacron_infra.config.problems import problem
from novacron_infra.config.sections.base import HomePath, Port, Section, TextPattern, broken_rule
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.serving import CoordinatorSettings, PyTorchQuantization, PyTorchSettings, ServedName
from novacron_infra.errors import Problem

LAST_PORT = 65535


def _check_inheritable(pattern: str) -> str:
    if pattern.startswith("PULUMI"):
        rule = "variables of Pulumi stay with the deployment, because they hold the passphrase of its secrets"
        raise broken_rule(rule, "Remove it")
    return pattern


EnvironmentPattern = Annotated[
    str,
    TextPattern(
        r"[A-Za-z_][A-Za-z0-9_]*\*?", "it is not the name of a variable, nor the beginning of one and *", "AWS_*"
    ),
    AfterValidator(_check_inheritable),
]
"""The name of an environment variable, or how its name begins and `*`."""


class ModelConfig(Section):
    """The model to serve."""

    id: ServedName = "novacron-tiny"
    """The name that clients ask for."""
    path: HomePath | None = None
    """A Hugging Face model folder, relative to the project's folder; `~` is the home folder.

    Left out: the tiny model that ships with NovaCron.
    """
    quantization: PyTorchQuantization = PyTorchQuantization.NONE
    """Quantisation of the weights; `novacron quality` measures what it costs."""
    context_tokens: int | None = Field(default=None, ge=16)
    """Longest context in tokens: prompt and completion together. None, or more than the model has: the model's own."""
    chat_template: HomePath | None = None
    """A file with the Jinja chat template to use instead of the model's, relative to the project's folder."""


class CoordinatorConfig(CoordinatorSettings):
    """The process that clients talk to."""

    http_port: Port = 8080
    """Port of the OpenAI-compatible HTTP API."""
    grpc_port: Port = 9090
    """Port where workers register."""
    api_keys: bool = False
    """Whether clients need an API key. `novacron key` shows the administrator's, which is generated with the stack."""


class WorkersConfig(PyTorchSettings):
    """The processes that hold the model."""

    count: int = Field(default=2, ge=1, le=64)
    """Number of worker processes."""
    base_port: Port = 9091
    """Port of the first worker; the others have the ports after it."""


class LocalEnvironment(Section):
    """The local platform."""

    platform: Literal[Platform.LOCAL]
    """Processes on this machine."""
    model: ModelConfig = ModelConfig()
    """The model to serve, if it is the only one."""
    models: tuple[ModelConfig, ...] = Field(default=(), max_length=16)
    """Several models to serve, in place of `model`. Each has `workers.count` workers."""
    coordinator: CoordinatorConfig = CoordinatorConfig()
    workers: WorkersConfig = WorkersConfig()
    pass_env: list[EnvironmentPattern] = Field(default_factory=list[EnvironmentPattern])
    """Further environment variables that the processes inherit from the shell that deploys them.

    Names, or patterns that end in `*`. Models in S3 need `AWS_*`, for example. docs/local-stack.md lists the variables
    that every stack inherits.
    """


def check_local_rules(parts: Mapping[str, Any]) -> list[Problem]:
    """Return a problem for each rule between sections that does not hold.

    Args:
        parts: the valid sections, by name; a section that is not in it is itself invalid.
    """
    coordinator: CoordinatorConfig | None = parts.get("coordinator")
    workers: WorkersConfig | None = parts.get("workers")
    found: list[Problem] = []
    if coordinator is not None and coordinator.http_port == coordinator.grpc_port:
        found.append(
            problem("coordinator.grpc_port", coordinator.grpc_port, "it is also http_port", "Give each its own port")
        )
    models: tuple[ModelConfig, ...] | None = parts.get("models")
    found += _check_models(models or (), parts.get("model"))
    if workers is None or models is None:
        return found
    count = workers.count * max(1, len(models))
    first, last = workers.base_port, workers.base_port + count - 1
    if last > LAST_PORT:
        rule = f"worker-{count - 1} would listen on {last}, above {LAST_PORT}"
        found.append(problem("workers.base_port", first, rule, f"Use at most {LAST_PORT + 1 - count}"))
    if coordinator is not None:
        ports = {"http_port": coordinator.http_port, "grpc_port": coordinator.grpc_port}
        found += [
            problem(
                f"coordinator.{name}", port, f"it is one of the workers' ports, {first} to {last}", "Move one of them"
            )
            for name, port in ports.items()
            if first <= port <= last
        ]
    return found


def _check_models(models: Sequence[ModelConfig], model: ModelConfig | None) -> list[Problem]:
    found: list[Problem] = []
    if models and model is not None and model != ModelConfig():
        rule, fix = "there are models as well, which take its place", "Move it into the list `models`"
        found.append(problem("model.id", model.id, rule, fix))
    ids = [item.id for item in models]
    for index, id_ in enumerate(ids):
        if id_ in ids[:index]:
            found.append(problem(f"models.{index}.id", id_, "another model has the same id", "Give each its own id"))
    return found
