"""The replicas of each profile: their shape on the machines' GPUs, or why there is none and what would fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from novacron_infra.catalog import (
    Gpu,
    Machine,
    Model,
    Quantization,
    UnsupportedQuantizationError,
    list_supported_quantizations,
    load_machines,
    resolve_quantization,
)
from novacron_infra.config import ModelServing, Profile, ProfileName
from novacron_infra.config.environment import CloudEnvironment
from novacron_infra.config.problems import problem
from novacron_infra.errors import Problem
from novacron_infra.plan.errors import DoesNotFitError, PlanError
from novacron_infra.plan.sizing import ReplicaSize, Workload, fit_replica


@dataclass(frozen=True)
class ProfilePlan:
    """The replicas of one profile in all regions."""

    name: ProfileName
    quantization: Quantization
    size: ReplicaSize
    minimum_replicas: int
    """As the configuration says; each region keeps one of the first profile besides."""
    replicas: int
    """At the start."""

    @property
    def pods(self) -> int:
        """Worker pods at the start; each has the GPUs of one tensor-parallel group."""
        return self.replicas * self.size.pipeline_parallel

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV caches of all replicas hold."""
        return self.replicas * self.size.kv_tokens


def size_profiles(
    config: CloudEnvironment, shape: Model, card: Gpu, row: Machine, fewest_workers: int, most_workers: int
) -> list[ReplicaSize]:
    """The smallest replica of each profile on the GPUs of one region.

    A profile without minimum replicas starts on demand: it has to fit `most_workers`, the others `fewest_workers`.

    Raises:
        PlanError: with every profile that the engine does not run on these GPUs, that does not fit them, or that
            spans machines without a fabric between them.
    """
    sizes: list[ReplicaSize] = []
    problems: list[Problem] = []
    for index, profile in enumerate(config.model.profiles):
        bound = "minimum" if profile.minimum_replicas else "maximum"
        workers = fewest_workers if profile.minimum_replicas else most_workers
        limit = _Limit(card, row, workers * config.workers.gpus_per_worker, f"at workers.{bound}")
        found = _sized(config.model, profile, shape, limit, f"model.profiles.{index}")
        if isinstance(found, Problem):
            problems.append(found)
        elif found.gpus > row.gpu_count and row.fabric is None:
            problems.append(_no_fabric(found, profile, row))
        else:
            sizes.append(found)
    if problems:
        raise PlanError(problems)
    return sizes


@dataclass(frozen=True)
class _Limit:
    """The most GPUs that a region has for a replica."""

    card: Gpu
    row: Machine
    gpus: int
    when: str


def check_weights(config: CloudEnvironment, sizes: list[ReplicaSize]) -> float:
    """Weights of the minimum replicas, 10^9 bytes. Raises PlanError above `targets.weights_in_use_gb`."""
    profiles = config.model.profiles
    pairs = [(p.minimum_replicas, s.replica_weight_bytes / 1e9) for p, s in zip(profiles, sizes, strict=True)]
    weights_gb = sum(count * weight for count, weight in pairs)
    bound = config.targets.weights_in_use_gb.maximum
    if bound is not None and weights_gb > bound:
        sums = " + ".join(f"{count} × {weight:,.0f}" for count, weight in pairs if count)
        rule = f"the minimum replicas weigh {sums} = {weights_gb:,.0f} GB"
        fix = "Lower a profile's minimum_replicas, quantise it more, or raise the bound"
        raise PlanError([problem("targets.weights_in_use_gb.maximum", f"{bound:g}", rule, fix)])
    return weights_gb


def _sized(serving: ModelServing, profile: Profile, shape: Model, limit: _Limit, path: str) -> ReplicaSize | Problem:
    card = limit.card
    try:
        return fit_replica(
            shape,
            resolve_quantization(profile.quantization, serving.engine, card.architecture),
            card,
            limit.row.gpu_count,
            limit.gpus,
            _workload(serving),
            tensor_parallel=profile.tensor_parallel,
            pipeline_parallel=profile.pipeline_parallel,
        )
    except UnsupportedQuantizationError as error:
        rule = f"{serving.engine.value} has no such format on {card.architecture.value} GPUs such as {card.name}"
        fits = [f"fits: {line}" for line in _alternatives(serving, profile, shape, limit)]
        fix = f"Use {' or '.join(error.offered)}"
        return problem(f"{path}.quantization", profile.quantization.value, rule, fix, fits)
    except DoesNotFitError as error:
        rule = f"it does not fit the {limit.gpus} × {card.name} that the largest region has {limit.when}"
        fits = [f"fits: {line}" for line in _alternatives(serving, profile, shape, limit)]
        fix = "Use one that fits, more workers or another machine"
        value = f"{shape.name} {profile.quantization.value}"
        return problem(path, value, rule, fix, [*error.arithmetic, *(fits or ["nothing else on these machines fits"])])


def _workload(serving: ModelServing) -> Workload:
    return Workload(
        context_tokens=serving.context_tokens,
        sequences=serving.minimum_concurrent_sequences,
        batch_tokens=serving.max_batch_tokens,
        kv_cache=serving.kv_cache,
        kv_fraction=serving.kv_cache_fraction,
    )


def _alternatives(serving: ModelServing, profile: Profile, shape: Model, limit: _Limit) -> Iterator[str]:
    """The same format and the others, in their smallest shapes on any number of such machines."""
    engine, architecture, per_node = serving.engine, limit.card.architecture, limit.row.gpu_count
    others = [item for item in list_supported_quantizations(engine, architecture) if item is not profile.quantization]
    for quantization in (profile.quantization, *others):
        try:
            weights = resolve_quantization(quantization, engine, architecture)
            size = fit_replica(shape, weights, limit.card, per_node, per_node * shape.layers, _workload(serving))
        except (DoesNotFitError, UnsupportedQuantizationError):
            continue
        more = f", {size.gpus - limit.gpus} more than there are" if size.gpus > limit.gpus else ""
        yield f"{quantization.value} on {size.gpus} GPUs (TP{size.tensor_parallel} × PP{size.pipeline_parallel}){more}"


def _no_fabric(size: ReplicaSize, profile: Profile, row: Machine) -> Problem:
    others = [item.name for item in load_machines().values() if item.cloud is row.cloud and item.fabric is not None]
    return problem(
        "workers.machine",
        row.name,
        f"a replica of {profile.name.value} takes {size.gpus} GPUs, more than its {row.gpu_count}, and the catalogue "
        "knows no fast fabric between such machines",
        f"Use {', '.join(others)}, or a smaller quantization",
    )
