"""The values that follow from the answers to `novacron init`: machines, replicas, zones and sizes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

from novacron_infra.catalog import (
    Capacity,
    Cloud,
    EngineKind,
    Machine,
    Model,
    Offered,
    Quantization,
    find_gpu,
    find_offer,
    find_price,
    list_supported_quantizations,
    load_machines,
    load_models,
    resolve_quantization,
)
from novacron_infra.config import OWN_STORE, FirstTokenTarget, Platform, Resources, Workers
from novacron_infra.config.sections.alarms import RECEIVER_KEYS
from novacron_infra.config.sections.platform import EnvironmentKind, derive_kind
from novacron_infra.limits.zones import list_zones
from novacron_infra.plan.errors import DoesNotFitError
from novacron_infra.plan.latency import calculate_latency_floor
from novacron_infra.plan.sizing import ReplicaSize, Workload, fit_replica

from novacron_ops.new_project.answers import Answers

_CONTEXT_TOKENS = 16_384
"""Context of a new environment, unless the model's is shorter."""
_FIRST_TOKEN_S, _INTER_TOKEN_S = 2, 0.1
"""Median latencies of a new environment in seconds, unless its GPUs need longer without load."""
_MAX_NODES = 16
"""Machines of one replica that are tried."""
_COORDINATOR = Resources(cpu_request=8, cpu_limit=16, memory_request_gib=32, memory_limit_gib=48)
"""Requests and limits of a coordinator that has the small caches of a new environment."""
_NUMBER_LENGTH = 6
_AZURE_ACCOUNT_LENGTH = 24
"""Characters of the name of a storage account."""
_BUCKET_LENGTH = 63
"""Characters of the name of a bucket in S3 and Cloud Storage."""
_EXAMPLE_REGIONS = {Platform.AWS: "us-west-2", Platform.GCP: "us-central1", Platform.AZURE: "eastus2"}
_EXAMPLE_ADMINS = {
    Platform.AWS: "arn:aws:iam::123456789012:role/operators",
    Platform.GCP: "group:operators@example.com",
    Platform.AZURE: "00000000-0000-0000-0000-000000000001",
}
_EXAMPLE_ACCOUNTS = {Platform.GCP: "my-project", Platform.AZURE: "00000000-0000-0000-0000-000000000000"}
_EXAMPLE_RECEIVERS = {
    Platform.AWS: "arn:aws:sns:{region}:123456789012:alarms",
    Platform.GCP: "projects/my-project/notificationChannels/1",
    Platform.AZURE: "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/operations"
    "/providers/Microsoft.Insights/actionGroups/on-call",
}
_ZONES = 3
"""Zones of a region. AWS needs two or three."""
_AWS_ZONES = {"ap-northeast-1": "acd", "ca-central-1": "abd", "us-west-1": "ac"}
"""Letters of the zones that most accounts have, where they are not a, b and c (lists of AWS, read 2026-11-30)."""


@dataclass(frozen=True, kw_only=True)
class Derived:
    """The values of an environment in a cloud that follow from the answers."""

    quantization: Quantization
    context_tokens: int
    gpus_per_worker: int
    workers: int
    """Workers of all regions together: one replica in each region, in whole machines."""
    machines: int
    """Machines of all workers."""
    worker_resources: Resources | None
    """Requests and limits of a worker's pod; None where the defaults fit the machine."""
    coordinator_machine: str
    coordinator_resources: Resources
    bucket: str
    weights_gb: float
    """Weights of one replica in GB (10^9 bytes), in two digits."""
    first_token_s: float
    """A median time to the first token that the GPUs can reach, in seconds."""
    inter_token_s: float
    """A median latency between two tokens that the GPUs can reach, in seconds."""
    zones: dict[str, tuple[str, ...]]
    """Zones of each region, empty on Azure, where a region needs none."""
    kind: str | None
    """The kind of the environment, if its name does not state it."""
    receivers: str
    """The key below `alarms` for receivers of the cloud."""


def is_cloud(platform: Platform) -> bool:
    """Return whether the platform is one of the clouds, whose machines and models are in the catalogue."""
    return platform in OWN_STORE


def complete(answers: Answers) -> Answers:
    """Return the answers with a usable value for everything that has no answer, from the answers before it."""
    local = answers.platform is Platform.LOCAL
    found = replace(answers, stack=answers.stack or ("local" if local else "dev"))
    if found.platform is Platform.KUBERNETES:
        return replace(
            found,
            coordinator_image=found.coordinator_image or "localhost/novacron-coordinator:0.1.0",
            worker_image=found.worker_image or "localhost/novacron-worker:0.1.0",
        )
    if local:
        return found
    found = replace(found, model=found.model or min(load_models().values(), key=lambda item: item.parameters).name)
    found = replace(found, machine=found.machine or list_machines(found)[0].name)
    regions = found.regions or tuple(list_regions(found)[:1])
    return replace(
        found,
        regions=regions,
        admins=found.admins or (_EXAMPLE_ADMINS[found.platform],),
        account=found.account or _EXAMPLE_ACCOUNTS.get(found.platform),
        domain=found.domain or ("api.example.com" if len(regions) > 1 else None),
        alarm_receiver=found.alarm_receiver or _find_example_receiver(found, next(iter(regions))),
    )


def is_production(answers: Answers) -> bool:
    """Return whether the environment's name says that it is for production."""
    return derive_kind(answers.stack or "") is EnvironmentKind.PRODUCTION


def _find_example_receiver(answers: Answers, region: str) -> str | None:
    return _EXAMPLE_RECEIVERS[answers.platform].format(region=region) if is_production(answers) else None


def list_machines(answers: Answers) -> list[Machine]:
    """Return the on-demand GPU machines of the cloud that hold a replica of the model, the cheapest first.

    Machines without a public price come last. All of them, if the model is not in the catalogue. A new project says
    nothing about capacity, so machines that are not sold on demand are left out.
    """
    machines = [
        item
        for item in load_machines().values()
        if item.cloud.value == answers.platform.value
        and item.gpu
        and item.unsupported_because is None
        and (item.sold is None or Capacity.ON_DEMAND in item.sold.capacities)
    ]
    model = load_models().get(answers.model or "")
    sized = [(item, size_replica(model, item) if model else None) for item in machines]
    fitting = [(item, size) for item, size in sized if size is not None] or [(item, None) for item in machines]

    def price(pair: tuple[Machine, ReplicaSize | None]) -> float:
        machine_type, size = pair
        nodes = 1 if size is None else ceil(size.gpus / machine_type.gpu_count)
        found = find_price(machine_type.name)
        return float("inf") if found is None else found.usd_per_hour * nodes

    return [item for item, _ in sorted(fitting, key=price)]


def list_regions(answers: Answers) -> list[str]:
    """Return regions that are known to offer the machine, or the usual region of the cloud if none is known."""
    example = _EXAMPLE_REGIONS[answers.platform]
    if answers.machine is None or answers.machine not in load_machines():
        return [example]
    offer = find_offer(answers.machine, example)
    return [*([example] if offer.offered is Offered.YES else []), *offer.other_regions] or [example]


def size_replica(model: Model, machine_type: Machine) -> ReplicaSize | None:
    """Return the first replica that fits: on one machine if possible, in the first format of the catalogue's list."""
    if machine_type.gpu is None:
        return None
    limits = [1, *([_MAX_NODES] if machine_type.fabric else [])]
    return next(
        (size for nodes in limits for size in _list_sizes(model, machine_type, nodes * machine_type.gpu_count)), None
    )


def _list_sizes(model: Model, machine_type: Machine, gpus: int) -> Iterator[ReplicaSize]:
    gpu = find_gpu(str(machine_type.gpu))
    workload = Workload(context_tokens=min(_CONTEXT_TOKENS, model.max_context_tokens))
    for quantization in list_supported_quantizations(EngineKind.TENSORRT_LLM, gpu.architecture):
        weights = resolve_quantization(quantization, EngineKind.TENSORRT_LLM, gpu.architecture)
        try:
            yield fit_replica(model, weights, gpu, machine_type.gpu_count, gpus, workload)
        except DoesNotFitError:
            continue


def derive(answers: Answers) -> Derived:
    """Return the values that follow from complete answers about a cloud.

    A model or machine that the catalogue lacks counts as one that it has: the files then have one wrong value, which
    their check reports.
    """
    machine_type = load_machines().get(answers.machine or "")
    if machine_type is None or not machine_type.gpu:
        machine_type = list_machines(answers)[0]
    gpu = find_gpu(str(machine_type.gpu))
    model = load_models().get(answers.model or "") or next(iter(load_models().values()))
    # A replica that does not fit is reported by the plan, with its arithmetic.
    size = size_replica(model, machine_type)
    latency = calculate_latency_floor(size, FirstTokenTarget(p50=1, p95=1)) if size else None
    quantizations = list_supported_quantizations(EngineKind.TENSORRT_LLM, gpu.architecture)
    gpus, per_node = (size.gpus if size else 1), machine_type.gpu_count
    nodes = max(1, len(answers.regions)) * ceil(gpus / per_node)
    gpus_per_worker = answers.gpus or per_node
    coordinator = _choose_coordinator(Cloud(answers.platform.value), answers.regions)
    return Derived(
        quantization=_find_quantization(size) if size else quantizations[0],
        context_tokens=min(_CONTEXT_TOKENS, model.max_context_tokens),
        gpus_per_worker=gpus_per_worker,
        workers=max(1, nodes * per_node // gpus_per_worker),
        machines=nodes,
        worker_resources=_fit_resources(machine_type, per_node // size.tensor_parallel if size else 1),
        coordinator_machine=coordinator.name,
        coordinator_resources=_COORDINATOR,
        bucket=_name_bucket(answers),
        weights_gb=float(f"{size.replica_weight_bytes / 1e9:.2g}") if size else 1,
        first_token_s=_choose_target_s(_FIRST_TOKEN_S, latency.first_token_s if latency else 0),
        inter_token_s=_choose_target_s(_INTER_TOKEN_S, latency.step_s if latency else 0),
        zones={region: _list_zones(answers.platform, region) for region in answers.regions},
        kind=None if derive_kind(answers.stack or "") else EnvironmentKind.DEVELOPMENT.value,
        receivers=RECEIVER_KEYS[Cloud(answers.platform.value)],
    )


def _choose_target_s(default_s: float, floor_s: float) -> float:
    """Return a median latency: the default, or half more than the GPUs need without load, in two digits."""
    return max(default_s, float(f"{1.5 * floor_s:.2g}"))


def _find_quantization(size: ReplicaSize) -> Quantization:
    """Return the quantization that users write for the format of a replica's weights."""
    offered = list_supported_quantizations(EngineKind.TENSORRT_LLM, size.gpu.architecture)
    return next(
        item
        for item in offered
        if resolve_quantization(item, EngineKind.TENSORRT_LLM, size.gpu.architecture) == size.weights
    )


def _choose_coordinator(cloud: Cloud, regions: tuple[str, ...]) -> Machine:
    """Return the cheapest machine without GPUs that holds a coordinator and that no region is known to lack."""

    def is_suitable(item: Machine) -> bool:
        offered = all(find_offer(item.name, region).offered is not Offered.NO for region in regions)
        fits = item.vcpus > _COORDINATOR.cpu_limit and item.memory_gib > _COORDINATOR.memory_limit_gib
        return item.cloud is cloud and item.gpu is None and offered and fits

    def price(item: Machine) -> float:
        found = find_price(item.name)
        return float("inf") if found is None else found.usd_per_hour

    own = [item for item in load_machines().values() if item.cloud is cloud and item.gpu is None]
    return min((item for item in own if is_suitable(item)), key=price, default=own[0])


def _fit_resources(machine_type: Machine, pods: int) -> Resources | None:
    """Return requests and limits with which `pods` pods fill a machine, or None if the defaults fit."""
    default: Resources = Workers.model_fields["resources"].default
    cpus, memory_gib = machine_type.vcpus / pods, machine_type.memory_gib / pods
    if default.cpu_limit < cpus and default.memory_limit_gib < memory_gib:
        return None
    # A node keeps some for itself and for the pods of every node.
    return Resources(
        cpu_request=int(cpus * 0.75) or 0.5,
        cpu_limit=int(cpus * 0.9) or 0.75,
        memory_request_gib=int(memory_gib * 0.75),
        memory_limit_gib=int(memory_gib * 0.9),
    )


def _list_zones(platform: Platform, region: str) -> tuple[str, ...]:
    if platform is Platform.AZURE:
        return ()
    if platform is Platform.AWS and region in _AWS_ZONES:
        return tuple(f"{region}{letter}" for letter in _AWS_ZONES[region])
    return list_zones(Cloud(platform.value), region)[:_ZONES]


def _name_bucket(answers: Answers) -> str:
    """Return a name for the model store that hardly anybody else uses: the names of all accounts share one space.

    The names of the other regions' stores end with the region, so the longest one decides how long this one may be.
    """
    longest = max((len(region) for region in answers.regions[1:]), default=0)
    owner = answers.admins[0] if answers.platform is Platform.AWS else str(answers.account)
    number = hashlib.sha256(f"{answers.project} {owner}".encode()).hexdigest()[:_NUMBER_LENGTH]
    if answers.platform is Platform.AZURE:
        name = "".join(character for character in f"{answers.stack}models" if character.isalnum())
        return f"{name.lower()[: _AZURE_ACCOUNT_LENGTH - longest - len(number)]}{number}/models"
    name = re.sub(r"[^a-z0-9]+", "-", f"{answers.stack}-models".lower()).strip("-")
    return f"{name[: _BUCKET_LENGTH - longest - len(number) - 2]}-{number}"
