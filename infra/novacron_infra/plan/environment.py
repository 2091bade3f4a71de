"""What a cloud environment takes: nodes, replicas, pods, KV cache and dollars, and where its machines fall short.

A replica's tensor-parallel group is one pod on one node; pipeline stages are further pods. Counts are those of the
primary region at the start; the minimum replicas must also fit when autoscaling has gone down to `workers.minimum`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from novacron_infra.catalog import (
    Gpu,
    Machine,
    Model,
    Price,
    Quantization,
    UnsupportedQuantizationError,
    gpu,
    machine,
    model,
    offered,
    resolve_quantization,
)
from novacron_infra.config.environment import CloudEnvironment
from novacron_infra.config.sections import Hardware, ModelServing, Profile, ProfileName, Resources
from novacron_infra.plan.errors import DoesNotFitError, PlanError
from novacron_infra.plan.sizing import ReplicaSize, Workload, fit_replica

_NOT_PRICED = ("Kubernetes control plane", "network and load balancers", "object, block and file storage")


@dataclass(frozen=True)
class ProfilePlan:
    """The replicas of one profile."""

    name: ProfileName
    quantization: Quantization
    size: ReplicaSize
    minimum_replicas: int
    replicas: int
    """At the start: the minimum, and for the first profile what the GPUs leave."""

    @property
    def pods(self) -> int:
        """Worker pods at the start; each has the GPUs of one tensor-parallel group."""
        return self.replicas * self.size.pipeline_parallel

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV caches of all replicas hold."""
        return self.replicas * self.size.kv_tokens


@dataclass(frozen=True)
class MachinePlan:
    """The machines of one role."""

    role: str
    machine: Machine
    count: int

    @property
    def usd_per_hour(self) -> float | None:
        """On-demand list price of all of them; None: no public price."""
        price = self.machine.price
        return price.usd_per_hour * self.count if isinstance(price, Price) else None


@dataclass(frozen=True)
class Shortfall:
    """A machine, or its share, has less than the configuration wishes. `had` is None where nobody verified it."""

    role: str
    what: str
    had: float | None
    wished: float

    def __str__(self) -> str:
        had = "an unverified amount" if self.had is None else f"{self.had:g}"
        return f"{self.role}: {self.what} {had} of {self.wished:g}"


@dataclass(frozen=True)
class EnvironmentPlan:
    """What `config` takes."""

    config: CloudEnvironment
    gpu: Gpu
    gpus: int
    """GPUs that the workers have: workers × GPUs per worker."""
    nodes: int
    """GPU machines."""
    profiles: tuple[ProfilePlan, ...]
    machines: tuple[MachinePlan, ...]
    weights_in_use_gb: float
    """Weights of the minimum replicas, 10^9 bytes."""
    shortfalls: tuple[Shortfall, ...]
    unpriced: tuple[str, ...]
    """What `usd_per_hour` leaves out."""

    @property
    def replicas(self) -> int:
        """Replicas of all profiles at the start."""
        return sum(profile.replicas for profile in self.profiles)

    @property
    def pods(self) -> int:
        """Worker pods at the start."""
        return sum(profile.pods for profile in self.profiles)

    @property
    def kv_tokens(self) -> int:
        """Tokens that all KV caches hold at the start."""
        return sum(profile.kv_tokens for profile in self.profiles)

    @property
    def unused_gpus(self) -> int:
        """GPUs of the machines that no pod uses."""
        return self.nodes * self.workers.machine.gpu_count - sum(
            profile.replicas * profile.size.gpus for profile in self.profiles
        )

    @property
    def workers(self) -> MachinePlan:
        """The GPU machines."""
        return next(item for item in self.machines if item.role == "workers")

    @property
    def usd_per_hour(self) -> float:
        """On-demand list price of all machines that have a public one; `unpriced` says what is missing."""
        return sum(item.usd_per_hour or 0.0 for item in self.machines)

    def describe(self) -> list[str]:
        """The plan as text lines."""
        config, bound = self.config, self.config.targets.weights_in_use_gb
        lines = [
            f"{config.environment.value} on {config.platform.value} {config.regions[0].name}: "
            f"{config.workers.count} workers × {config.workers.gpus_per_worker} = {self.gpus} × {self.gpu.name} "
            f"= {self.nodes} × {config.workers.machine}; {self.unused_gpus} GPUs unused",
        ]
        for profile in self.profiles:
            size = profile.size
            lines.append(
                f"{profile.name.value} ({profile.quantization.value} = {size.weights.name.value}): {profile.replicas} "
                f"replicas (at least {profile.minimum_replicas}) of TP{size.tensor_parallel} × "
                f"PP{size.pipeline_parallel}, {profile.pods} pods, {profile.kv_tokens:,} KV tokens"
            )
            lines += [f"  {line}" for line in size.arithmetic()]
        upper = "" if bound.maximum is None else f" to {bound.maximum:g}"
        lines.append(
            f"weights of the minimum replicas: {self.weights_in_use_gb:,.0f} GB; expected {bound.minimum:g}{upper} GB"
        )
        for item in self.machines:
            price = item.machine.price
            if isinstance(price, Price):
                cost = (
                    f"{item.count} × ${price.usd_per_hour:,.2f} = ${item.count * price.usd_per_hour:,.2f} an hour "
                    f"on demand ({price.region}, {price.as_of})"
                )
            else:
                cost = f"{item.count}, no public price"
            lines.append(f"{item.role}: {item.machine.name} {cost}")
        lines.append(f"machines together: ${self.usd_per_hour:,.2f} an hour")
        lines += [f"unpriced: {item}" for item in self.unpriced]
        lines += [f"short: {item}" for item in self.shortfalls]
        return lines


def plan_environment(config: CloudEnvironment) -> EnvironmentPlan:
    """What `config` takes, from the dated catalogue.

    Raises:
        DoesNotFitError: a replica or the minimum replicas do not fit the GPUs of `workers.minimum`.
        PlanError: the minimum replicas weigh more than `targets.weights_in_use_gb`, or a container's requests
            leave a machine no room.
        UnsupportedQuantizationError: the engine has no such format on these GPUs.
    """
    serving, workers, row = config.model, config.workers, machine(config.workers.machine)
    if row.gpu is None:
        raise PlanError(f"workers.machine {row.name}: it has no GPU; take one of the catalogue's GPU machines")
    card, shape = gpu(row.gpu), model(serving.id)
    gpus, fewest = workers.count * workers.gpus_per_worker, workers.minimum * workers.gpus_per_worker
    sizes = [_sized(serving, profile, shape, card, row, fewest) for profile in serving.profiles]
    _placed(serving, sizes, row, fewest)
    replicas = _placed(serving, sizes, row, gpus)
    profiles = tuple(
        ProfilePlan(profile.name, profile.quantization, size, profile.minimum_replicas, count)
        for profile, size, count in zip(serving.profiles, sizes, replicas, strict=True)
    )
    weights_gb = sum(item.minimum_replicas * item.size.replica_weight_bytes for item in profiles) / 1e9
    bound = config.targets.weights_in_use_gb.maximum
    if bound is not None and weights_gb > bound:
        sums = " + ".join(f"{item.minimum_replicas} × {item.size.replica_weight_bytes / 1e9:,.0f}" for item in profiles)
        raise PlanError(
            f"targets.weights_in_use_gb.maximum {bound:g}: the minimum replicas weigh {sums} = {weights_gb:,.0f} GB; "
            "lower a profile's minimum_replicas, quantise it more, or raise the bound"
        )
    nodes = ceil(gpus / row.gpu_count)
    machines = [MachinePlan("coordinators", machine(config.coordinators.machine), config.coordinators.count)]
    machines.append(MachinePlan("workers", row, nodes))
    if config.storage is not None:
        machines.append(MachinePlan("storage", machine(config.storage.machine), config.storage.count))
    _check_requests("coordinators", config.coordinators.resources, machines[0].machine, 1)
    pods_per_node = max(row.gpu_count // size.tensor_parallel for size in sizes)
    _check_requests("workers", workers.resources, row, pods_per_node)
    share = workers.gpus_per_worker / row.gpu_count
    shortfalls = _shortfalls("coordinators", config.coordinators.hardware, machines[0].machine, 1)
    shortfalls += _shortfalls("workers, each", workers.hardware, row, share)
    if config.storage is not None:
        shortfalls += _shortfalls("storage", config.storage.hardware, machines[-1].machine, 1)
    return EnvironmentPlan(
        config=config,
        gpu=card,
        gpus=gpus,
        nodes=nodes,
        profiles=profiles,
        machines=tuple(machines),
        weights_in_use_gb=weights_gb,
        shortfalls=tuple(shortfalls),
        unpriced=tuple(_unpriced(config, machines)),
    )


def _sized(serving: ModelServing, profile: Profile, shape: Model, card: Gpu, row: Machine, gpus: int) -> ReplicaSize:
    work = Workload(
        context_tokens=serving.context_tokens,
        sequences=serving.minimum_concurrent_sequences,
        batch_tokens=serving.max_batch_tokens,
        kv_cache=serving.kv_cache,
        kv_fraction=serving.kv_cache_fraction,
    )
    weights = resolve_quantization(profile.quantization, serving.engine, card.architecture)
    try:
        return fit_replica(
            shape,
            weights,
            card,
            row.gpu_count,
            gpus,
            work,
            tensor_parallel=profile.tensor_parallel,
            pipeline_parallel=profile.pipeline_parallel,
        )
    except DoesNotFitError as error:
        raise DoesNotFitError(
            f"profile {profile.name.value}: {shape.name} at {weights.name.value} on {gpus} × {card.name} "
            "(workers.minimum × workers.gpus_per_worker)",
            error.arithmetic,
            _alternatives(serving, profile, shape, card, row, gpus, work),
        ) from error


def _alternatives(
    serving: ModelServing, profile: Profile, shape: Model, card: Gpu, row: Machine, gpus: int, work: Workload
) -> list[str]:
    """The same format on more GPUs, and the other formats on these."""
    found: list[str] = []
    others = [item for item in offered(serving.engine, card.architecture) if item is not profile.quantization]
    limits = [(profile.quantization, row.gpu_count * shape.layers), *((item, gpus) for item in others)]
    for quantization, limit in limits:
        try:
            weights = resolve_quantization(quantization, serving.engine, card.architecture)
            size = fit_replica(shape, weights, card, row.gpu_count, limit, work)
        except (DoesNotFitError, UnsupportedQuantizationError):
            continue
        found.append(
            f"{quantization.value} on {size.gpus} GPUs (TP{size.tensor_parallel} × PP{size.pipeline_parallel})"
        )
    return found


def _placed(serving: ModelServing, sizes: list[ReplicaSize], row: Machine, gpus: int) -> list[int]:
    """Replicas of each profile on `gpus` GPUs: the minima, widest pods first, then more of the first profile."""
    full, rest = divmod(gpus, row.gpu_count)
    free = [row.gpu_count] * full + ([rest] if rest else [])
    replicas = [0] * len(sizes)
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index].tensor_parallel):
        wished = serving.profiles[index].minimum_replicas
        while replicas[index] < wished and _take(free, sizes[index]):
            replicas[index] += 1
        if replicas[index] < wished:
            needed = [
                f"{profile.name.value}: {profile.minimum_replicas} × {size.gpus} GPUs "
                f"(TP{size.tensor_parallel} × PP{size.pipeline_parallel})"
                for profile, size in zip(serving.profiles, sizes, strict=True)
            ]
            total = sum(p.minimum_replicas * s.gpus for p, s in zip(serving.profiles, sizes, strict=True))
            raise DoesNotFitError(
                f"the minimum replicas on {gpus} × {sizes[index].gpu.name}",
                [*needed, f"together {total} GPUs; a tensor-parallel group stays on one node of {row.gpu_count}"],
                [f"raise workers.minimum and workers.count to {total} GPUs or more, or lower a minimum"],
            )
    while _take(free, sizes[0]):
        replicas[0] += 1
    return replicas


def _take(free: list[int], size: ReplicaSize) -> bool:
    """Takes one replica's GPUs out of the nodes' free ones, or nothing."""
    width, pods = size.tensor_parallel, size.pipeline_parallel
    if sum(count // width for count in free) < pods:
        return False
    for index in range(len(free)):
        taken = min(pods, free[index] // width)
        free[index] -= taken * width
        pods -= taken
    return True


def _check_requests(role: str, resources: Resources, row: Machine, pods: int) -> None:
    for what, request, has in (
        ("cpu_request", resources.cpu_request, row.vcpus),
        ("memory_request_gib", resources.memory_request_gib, row.memory_gib),
    ):
        if request * pods >= has:
            raise PlanError(
                f"{role}.resources.{what} {request:g}: {pods} × {request:g} on a {row.name} with {has:g}, and a node "
                f"keeps some for itself; request less than {has / pods:g} or take a larger machine"
            )


def _shortfalls(role: str, wished: Hardware, row: Machine, share: float) -> list[Shortfall]:
    nvme_tb = None if row.local_nvme_gb is None else row.local_nvme_gb / 1000
    pairs = (
        ("vCPUs for cores", row.vcpus, wished.cores),
        ("memory GiB", row.memory_gib, wished.memory_gib),
        ("local NVMe TB", nvme_tb, wished.nvme_tb),
        ("network Gb/s", row.network_gbps, wished.network_gbps),
    )
    return [
        Shortfall(role, what, None if has is None else has * share, wish)
        for what, has, wish in pairs
        if has is None or has * share < wish
    ]


def _unpriced(config: CloudEnvironment, machines: list[MachinePlan]) -> list[str]:
    found = [f"{item.role}: {item.machine.name} has no public price" for item in machines if item.usd_per_hour is None]
    home = config.regions[0].name
    found += [
        f"{item.role}: the difference between {item.machine.price.region} and {home}"
        for item in machines
        if isinstance(item.machine.price, Price) and item.machine.price.region != home
    ]
    found += [f"machines in {region.name}" for region in config.regions[1:]]
    if config.workers.spot_fraction:
        found.append(f"the discount of {config.workers.spot_fraction:.0%} spot workers")
    return [*found, *_NOT_PRICED]
