"""CloudEnvironment: dev, staging and prod on a cloud, and the rules between its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from novacron_infra.catalog import UnknownNameError, gpus, machine, model
from novacron_infra.config.problems import problem
from novacron_infra.config.sections import (
    Autoscaling,
    Caches,
    Coordinators,
    Data,
    EnvironmentName,
    Images,
    ModelServing,
    Monitoring,
    Platform,
    Region,
    Section,
    StorageNodes,
    Targets,
    Traffic,
    Workers,
)
from novacron_infra.errors import Problem


@dataclass(frozen=True)
class EnvironmentSecrets:
    """Secrets of the stack: Pulumi outputs or plain strings. None means: to be generated, never a default."""

    database_password: object | None = field(default=None, repr=False)
    redis_password: object | None = field(default=None, repr=False)
    api_key: object | None = field(default=None, repr=False)
    grafana_password: object | None = field(default=None, repr=False)

    @staticmethod
    def config_keys() -> tuple[str, ...]:
        """Keys below `novacron:` that may hold them, such as `databasePassword`."""
        return tuple(_camel(item.name) for item in fields(EnvironmentSecrets))


class CloudEnvironment(Section):
    """An environment on a cloud."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    environment: EnvironmentName
    platform: Literal[Platform.AWS, Platform.GCP, Platform.AZURE]
    regions: Annotated[tuple[Region, ...], Field(min_length=1)]
    """The first is the primary."""
    coordinators: Coordinators
    workers: Workers
    storage: StorageNodes | None = None
    model: ModelServing
    targets: Targets
    autoscaling: Autoscaling | None = None
    caches: Caches = Caches()
    monitoring: Monitoring = Monitoring()
    data: Data = Data()
    images: Images = Images()
    traffic: Traffic | None = None
    """Global DNS; needed by two regions and more."""
    secrets: SkipJsonSchema[EnvironmentSecrets] = Field(default=EnvironmentSecrets(), exclude=True, repr=False)


Parts = Mapping[str, Any]


def broken_cloud_rules(parts: Parts) -> list[Problem]:
    """The rules between parts that do not hold. A part that is not in `parts` is itself invalid: its rules wait."""
    return [problem for rule in (_machines, _workers, _model, _targets, _regions) for problem in rule(parts)]


def _machines(parts: Parts) -> list[Problem]:
    found: list[Problem] = []
    for name in ("coordinators", "workers", "storage"):
        part = parts.get(name)
        if part is None:
            continue
        path = f"{name}.machine"
        try:
            row = machine(part.machine)
        except UnknownNameError as error:
            found.append(problem(path, part.machine, "the machine must be in the catalogue", str(error)))
            continue
        platform = parts.get("platform")
        if isinstance(platform, Platform) and row.cloud.value != platform.value:
            found.append(
                problem(path, part.machine, f"it is a machine of {row.cloud.value}", f"take one of {platform.value}")
            )
        if name == "workers" and row.gpu is None:
            found.append(
                problem(
                    path, part.machine, "workers need GPUs and it has none", f"take a machine with {', '.join(gpus())}"
                )
            )
    return found


def _workers(parts: Parts) -> list[Problem]:
    workers: Workers | None = parts.get("workers")
    if workers is None:
        return []
    found: list[Problem] = []
    if not workers.minimum <= workers.count <= workers.maximum:
        found.append(
            problem(
                "workers.count",
                str(workers.count),
                f"it lies outside minimum {workers.minimum} to maximum {workers.maximum}",
                "widen the bounds or change the count",
            )
        )
    scaling: Autoscaling | None = parts.get("autoscaling")
    if scaling is not None:
        if workers.maximum > scaling.ceiling_workers:
            found.append(
                problem(
                    "workers.maximum",
                    str(workers.maximum),
                    f"it is above autoscaling.ceiling_workers {scaling.ceiling_workers}",
                    "lower it or raise the ceiling",
                )
            )
        up, down = scaling.scale_up.utilization_fraction, scaling.scale_down.utilization_fraction
        if down >= up:
            found.append(
                problem(
                    "autoscaling.scale_down.utilization_fraction",
                    str(down),
                    f"it is not below scale_up's {up}: the pool would flap",
                    "leave a gap, such as 0.4 and 0.8",
                )
            )
    return found + _resources(parts)


def _resources(parts: Parts) -> list[Problem]:
    found: list[Problem] = []
    for name in ("coordinators", "workers"):
        if (part := parts.get(name)) is None:
            continue
        for what, request, limit in (
            ("cpu", part.resources.cpu_request, part.resources.cpu_limit),
            ("memory", part.resources.memory_request_gib, part.resources.memory_limit_gib),
        ):
            if request > limit:
                found.append(
                    problem(
                        f"{name}.resources",
                        f"{request:g} > {limit:g}",
                        f"the {what} request exceeds the limit",
                        "raise the limit or lower the request",
                    )
                )
    coordinators: Coordinators | None = parts.get("coordinators")
    if coordinators is not None and (coordinators.count == 1) != (coordinators.mode.value == "single"):
        found.append(
            problem(
                "coordinators.mode",
                coordinators.mode.value,
                f"it does not go with count {coordinators.count}",
                "single goes with 1, the other modes with 2 or more",
            )
        )
    return found


def _model(parts: Parts) -> list[Problem]:
    serving: ModelServing | None = parts.get("model")
    if serving is None:
        return []
    found: list[Problem] = []
    try:
        row = model(serving.id)
        if serving.context_tokens > row.max_context_tokens:
            found.append(
                problem(
                    "model.context_tokens",
                    str(serving.context_tokens),
                    f"{row.name} was trained for {row.max_context_tokens}",
                    f"use at most {row.max_context_tokens}",
                )
            )
    except UnknownNameError as error:
        found.append(problem("model.id", serving.id, "the model must be in the catalogue", str(error)))
    names = [profile.name.value for profile in serving.profiles]
    if len(set(names)) != len(names):
        found.append(problem("model.profiles", ", ".join(names), "two profiles have one name", "give each name once"))
    if serving.profiles[0].minimum_replicas < 1:
        found.append(
            problem("model.profiles.0.minimum_replicas", "0", "the first profile serves by default", "use 1 or more")
        )
    return found


def _targets(parts: Parts) -> list[Problem]:
    targets: Targets | None = parts.get("targets")
    if targets is None:
        return []
    found: list[Problem] = []
    for name in ("time_to_first_token_s", "inter_token_latency_s"):
        value = getattr(targets, name)
        if value.p50 > value.p95:
            found.append(
                problem(
                    f"targets.{name}",
                    f"p50 {value.p50:g}, p95 {value.p95:g}",
                    "the median cannot exceed the 95th percentile",
                    "swap them",
                )
            )
    for name in ("throughput_tokens_per_s", "quality_fraction", "weights_in_use_gb"):
        value = getattr(targets, name)
        if value.maximum is not None and value.minimum > value.maximum:
            found.append(
                problem(
                    f"targets.{name}", f"{value.minimum:g} to {value.maximum:g}", "minimum exceeds maximum", "swap them"
                )
            )
    if (targets.quality_fraction.maximum or targets.quality_fraction.minimum) > 1:
        found.append(
            problem(
                "targets.quality_fraction",
                f"{targets.quality_fraction.minimum:g}",
                "a fraction is at most 1",
                "write 97% as 0.97",
            )
        )
    return found


def _regions(parts: Parts) -> list[Problem]:
    regions: tuple[Region, ...] = parts.get("regions") or ()
    found: list[Problem] = []
    for what in ("name", "dns_label"):
        values = [getattr(region, what) for region in regions]
        found += [
            problem(f"regions.{index}.{what}", value, "another region has it", "give each region its own")
            for index, value in enumerate(values)
            if value in values[:index]
        ]
    if regions and sum(region.weight for region in regions) == 0:
        found.append(problem("regions", "weights 0", "no region would get traffic", "give at least one a weight"))
    if len(regions) > 1 and "traffic" in parts and parts["traffic"] is None:
        found.append(problem("traffic", "missing", "several regions need global DNS", "add traffic: {domain: …}"))
    return found


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
