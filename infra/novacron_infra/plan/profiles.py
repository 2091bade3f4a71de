"""The replicas of each profile: the GPUs of one replica, or why none fits and what would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from novacron_infra.config import CloudEnvironment, ModelServing, Profile, ProfileName
from novacron_infra.config.problems import item_path, problem
from novacron_infra.errors import Problem
from novacron_infra.plan.errors import DoesNotFitError, PlanError
from novacron_infra.plan.sizing import ReplicaSize, Workload, fit_replica
from novacron_infra.shown_values import show_count


@dataclass(frozen=True)
class ProfilePlan:
    """The replicas of one profile in all regions."""

    name: ProfileName
    quantization: Quantization
    size: ReplicaSize
    minimum_replicas: int
    """The minimum of the configuration. Each region keeps one replica of the first profile in addition."""
    replicas: int
    """At the start."""

    @property
    def pods(self) -> int:
        """Worker pods at the start. Each has the GPUs of one tensor-parallel group."""
        return self.replicas * self.size.pipeline_parallel

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV caches of all replicas hold."""
        return self.replicas * self.size.kv_tokens


@dataclass(frozen=True)
class _Limit:
    """The most GPUs that a region has for a replica."""

    gpu: Gpu
    machine_type: Machine
    gpus: int
    when: str


def size_profiles(
    config: CloudEnvironment, model: Model, gpu: Gpu, machine_type: Machine, fewest_workers: int, most_workers: int
) -> list[ReplicaSize]:
    """Return the smallest replica of each profile that fits on the GPUs of one region.

    Args:
        config: the configuration.
        model: the model.
        gpu: the GPU of the workers' machine.
        machine_type: the workers' machine.
        fewest_workers: the workers of the largest region when it is scaled down. Replicas that always run fit them.
        most_workers: the workers of the largest region when it is scaled up. Replicas that start on demand fit them.

    Raises:
        PlanError: with every profile that the engine does not run on these GPUs, that does not fit on them, or that
            needs several machines which have no fabric between them.
    """
    sizes: list[ReplicaSize] = []
    problems: list[Problem] = []
    for index, profile in enumerate(config.model.profiles):
        bound = "minimum" if profile.minimum_replicas else "maximum"
        workers = fewest_workers if profile.minimum_replicas else most_workers
        limit = _Limit(gpu, machine_type, workers * config.workers.gpus_per_worker, f"at workers.{bound}")
        found = _size_profile(
            config.model, profile, model, limit, item_path("model.profiles", config.model.profiles, index)
        )
        if isinstance(found, Problem):
            problems.append(found)
        elif found.gpus > machine_type.gpu_count and machine_type.fabric is None:
            problems.append(_describe_missing_fabric(found, profile, machine_type))
        else:
            sizes.append(found)
    if problems:
        raise PlanError(problems)
    return sizes


def find_impossible_split(
    path: str, tensor_parallel: int | None, model: Model, machine_type: Machine
) -> Problem | None:
    """Return the problem of a stated tensor parallelism that no replica can have, below `path`; None without one."""
    gpus = machine_type.gpu_count
    if tensor_parallel is None or (tensor_parallel <= gpus and model.attention_heads % tensor_parallel == 0):
        return None
    possible = [str(tp) for tp in range(1, gpus + 1) if model.attention_heads % tp == 0]
    rule = (
        f"it divides the {model.attention_heads} attention heads of {model.name}, and is at most {gpus}, the GPUs of a "
        f"{machine_type.name}"
    )
    return problem(f"{path}.tensor_parallel", tensor_parallel, rule, f"Use {' or '.join(possible)}, or remove this key")


def check_warm_replicas(
    config: CloudEnvironment, sizes: Sequence[ReplicaSize], most_workers: Sequence[int]
) -> list[Problem]:
    """Return the problem of warm replicas that do not fit a region's workers at their maximum next to one that serves.

    Args:
        config: the configuration.
        sizes: the replicas of the profiles.
        most_workers: the highest number of workers in each region.
    """
    warm, gpus = config.workers.warm_replicas, config.workers.gpus_per_worker
    most = max(0, min(most_workers) * gpus // sizes[0].gpus - 1)
    if warm <= most:
        return []
    rule = (
        f"a region has at most {min(most_workers) * gpus} GPUs, a replica needs {sizes[0].gpus}, and one of them serves"
    )
    fix = f"Use {most} or less" if most else "Remove this key"
    return [problem("workers.warm_replicas", warm, rule, f"{fix}, or raise workers.maximum")]


def check_weights(config: CloudEnvironment, sizes: list[ReplicaSize]) -> float:
    """Return the weights of the minimum replicas in GB (10^9 bytes).

    Raises:
        PlanError: they are above `targets.weights_in_use_gb`.
    """
    profiles = config.model.profiles
    pairs = [(p.minimum_replicas, s.replica_weight_bytes / 1e9) for p, s in zip(profiles, sizes, strict=True)]
    weights_gb = sum(count * weight for count, weight in pairs)
    bound = config.targets.weights_in_use_gb.maximum
    if bound is not None and weights_gb > bound:
        sums = " + ".join(f"{count} × {weight:,.0f}" for count, weight in pairs if count)
        rule = f"the minimum replicas weigh {sums} = {weights_gb:,.0f} GB"
        fix = "Lower a profile's minimum_replicas, choose a narrower quantization, or raise the bound"
        raise PlanError([problem("targets.weights_in_use_gb.maximum", bound, rule, fix)])
    return weights_gb


def _size_profile(
    serving: ModelServing, profile: Profile, model: Model, limit: _Limit, path: str
) -> ReplicaSize | Problem:
    gpu = limit.gpu
    if (found := find_impossible_split(path, profile.tensor_parallel, model, limit.machine_type)) is not None:
        return found
    try:
        return fit_replica(
            model,
            resolve_quantization(profile.quantization, serving.engine, gpu.architecture),
            gpu,
            limit.machine_type.gpu_count,
            limit.gpus,
            _describe_workload(serving),
            tensor_parallel=profile.tensor_parallel,
            pipeline_parallel=profile.pipeline_parallel,
        )
    except UnsupportedQuantizationError as error:
        rule = (
            f"{serving.engine.value} does not support this format on {gpu.architecture.value} GPUs such as {gpu.name}, "
            f"only {', '.join(error.supported)}"
        )
        fits = [f"fits: {line}" for line in _list_alternatives(serving, profile, model, limit)]
        fix = f"Use {' or '.join(error.offered)}"
        return problem(f"{path}.quantization", profile.quantization.value, rule, fix, fits)
    except DoesNotFitError as error:
        rule = f"{model.name} does not fit on the {limit.gpus} × {gpu.name} of the largest region {limit.when}"
        fits = [f"fits: {line}" for line in _list_alternatives(serving, profile, model, limit)]
        fix = "Use one that fits, more workers or another machine"
        details = [*error.arithmetic, *(fits or ["nothing else fits on these machines"])]
        return problem(f"{path}.quantization", profile.quantization.value, rule, fix, details)


def _describe_workload(serving: ModelServing) -> Workload:
    return Workload(
        context_tokens=serving.context_tokens,
        sequences=serving.minimum_concurrent_sequences,
        batch_tokens=serving.max_batch_tokens,
        kv_cache=serving.kv_cache,
        kv_fraction=serving.kv_cache_fraction,
    )


def _list_alternatives(serving: ModelServing, profile: Profile, model: Model, limit: _Limit) -> Iterator[str]:
    """Yield this quantization and the others, each on the fewest GPUs of such machines."""
    engine, architecture, per_node = serving.engine, limit.gpu.architecture, limit.machine_type.gpu_count
    others = [item for item in list_supported_quantizations(engine, architecture) if item is not profile.quantization]
    for quantization in (profile.quantization, *others):
        try:
            weights = resolve_quantization(quantization, engine, architecture)
            size = fit_replica(
                model, weights, limit.gpu, per_node, per_node * model.layers, _describe_workload(serving)
            )
        except (DoesNotFitError, UnsupportedQuantizationError):
            continue
        more = f", {size.gpus - limit.gpus} more than there are" if size.gpus > limit.gpus else ""
        yield f"{quantization.value} on {show_count(size.gpus, 'GPU')} ({size.parallelism}){more}"


def _describe_missing_fabric(size: ReplicaSize, profile: Profile, machine_type: Machine) -> Problem:
    others = [
        item.name
        for item in load_machines().values()
        if item.cloud is machine_type.cloud
        and item.fabric is not None
        and item.gpu_count >= machine_type.gpu_count
        and item.unsupported_because is None
    ]
    return problem(
        "workers.machine",
        machine_type.name,
        f"a replica of {profile.name.value} needs {show_count(size.gpus, 'GPU')}, more than the "
        f"{machine_type.gpu_count} of this machine, and the catalogue knows no fast fabric between such machines",
        f"Use {', '.join(others)}, or a narrower quantization",
    )
