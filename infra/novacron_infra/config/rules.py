"""The rules between the parts of a cloud environment: what no single field can know.

A part that is missing from `parts` is itself invalid and already reported: the rules that need it wait.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from novacron_infra.catalog import UnknownNameError, machine, machines, model
from novacron_infra.config.problems import problem
from novacron_infra.config.region_rules import cluster_network_problems, name_problems, offer_problems
from novacron_infra.config.sections import (
    Autoscaling,
    Caches,
    Clusters,
    CoordinatorMode,
    Coordinators,
    Data,
    EnvironmentName,
    HealthCheck,
    Images,
    ModelServing,
    Platform,
    Region,
    StoreKind,
    Targets,
    Traffic,
    WorkerCounts,
    Workers,
)
from novacron_infra.errors import Problem
from novacron_infra.networks import WIDEST_PUBLIC_PREFIX, network

Parts = Mapping[str, Any]

PROD_LONGEST_TTL_S = 60
_FEWEST_COORDINATORS = {
    CoordinatorMode.SINGLE: 1,
    CoordinatorMode.HIGHLY_AVAILABLE: 2,
    CoordinatorMode.ACTIVE_ACTIVE_STANDBY: 3,
}
REGION_NAMES = {
    Platform.AWS: (r"[a-z]{2}(-[a-z]+)+-\d+", "us-west-2"),
    Platform.GCP: (r"[a-z]+-[a-z]+\d+", "us-central1"),
    Platform.AZURE: (r"[a-z]+\d?", "westus2"),
}
_ZONE_NAMES = {Platform.AWS: "{}[a-z]", Platform.GCP: "{}-[a-z]", Platform.AZURE: "[1-3]"}
_ZONE_EXAMPLES = {Platform.AWS: "{}a", Platform.GCP: "{}-a", Platform.AZURE: "1"}
_ZONE_COUNTS = {Platform.AWS: (2, 3), Platform.GCP: (1, 3), Platform.AZURE: (0, 3)}
_WIDEST_NETWORK, _NARROWEST_NETWORK = 16, 20
_BUCKETS = {
    # No dots: transfer acceleration and TLS wildcards do not take them.
    StoreKind.S3: (r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", "novacron-models: 3 to 63 of a-z, 0-9 and -"),
    # No dots: Google asks who owns such a domain.
    StoreKind.GCS: (r"(?!goog)[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]", "novacron-models: 3 to 63 of a-z, 0-9, - and _"),
    StoreKind.AZURE: (
        r"[a-z0-9]{3,24}/(?=.{3,63}$)[a-z0-9](-?[a-z0-9])*",
        "account/container: 3 to 24 of a-z and 0-9, then 3 to 63 of a-z, 0-9 and single -",
    ),
    StoreKind.NFS: (r"[A-Za-z0-9.-]+:/\S*", "server:/export"),
    StoreKind.EFS: (r"fs-[0-9a-f]{8,40}", "fs-0123456789abcdef0"),
}


def broken_cloud_rules(parts: Parts) -> list[Problem]:
    """The rules that do not hold, in the order of the file's parts."""
    return [found for rule in _RULES for found in rule(parts)]


def shared_region_problems(regions: Sequence[Region]) -> Iterator[Problem]:
    """What holds between regions of any cloud: names of their own, and traffic for someone."""
    for what in ("name", "dns_label"):
        values = [getattr(region, what) for region in regions]
        for index, value in enumerate(values):
            if value in values[:index]:
                yield problem(f"regions.{index}.{what}", value, "another region has it", "give each region its own")
    if regions and sum(region.weight for region in regions) == 0:
        yield problem("regions", "weights 0", "no region would get traffic", "give at least one a weight")


def health_check_problems(platform: Platform | None, check: HealthCheck) -> Iterator[Problem]:
    """What the DNS service of `platform` cannot do about the probe's timeout."""
    if platform is Platform.AWS and check.timeout_s is not None:
        rule = "Route 53's timeout cannot be set: it waits 4 s to connect and 2 s for the status"
        yield problem("traffic.health_check.timeout_s", check.timeout_s, rule, "leave it out")
    elif check.timeout_s is not None and check.timeout_s > check.interval_s:
        rule = f"a probe would outlast interval_s {check.interval_s}"
        yield problem("traffic.health_check.timeout_s", check.timeout_s, rule, f"use {check.interval_s} or less")


def _regions(parts: Parts) -> Iterator[Problem]:
    regions: tuple[Region, ...] = parts.get("regions") or ()
    platform: Platform | None = parts.get("platform")
    yield from shared_region_problems(regions)
    if platform is not None:
        pattern, example = REGION_NAMES[platform]
        for index, region in enumerate(regions):
            if not re.fullmatch(pattern, region.name):
                rule = f"no region of {platform.value} is named like this"
                yield problem(f"regions.{index}.name", region.name, rule, f"write it as {example}")
    yield from _region_workers(regions, parts.get("workers"))


def _networks(parts: Parts) -> Iterator[Problem]:
    regions: tuple[Region, ...] = parts.get("regions") or ()
    platform: Platform | None = parts.get("platform")
    earlier: dict[str, IPv4Network] = {}
    for index, region in enumerate(regions):
        path, block = f"regions.{index}.network", network(region.network or "")
        if block is None or not block.is_private or not _WIDEST_NETWORK <= block.prefixlen <= _NARROWEST_NETWORK:
            rule = f"it is no private IPv4 network of /{_WIDEST_NETWORK} to /{_NARROWEST_NETWORK}"
            yield problem(path, region.network or "missing", rule, f"write it as 10.{index}.0.0/16")
        else:
            for other, taken in earlier.items():
                if block.overlaps(taken):
                    yield problem(path, region.network, f"it overlaps that of {other}", "give each region its own")
            earlier[region.name] = block
        if platform is not None and re.fullmatch(REGION_NAMES[platform][0], region.name):
            yield from _zones(f"regions.{index}.zones", region, platform)


def _zones(path: str, region: Region, platform: Platform) -> Iterator[Problem]:
    fewest, most = _ZONE_COUNTS[platform]
    if not fewest <= len(region.zones) <= most:
        rule = f"{platform.value} needs {fewest} to {most}"
        yield problem(path, ", ".join(region.zones) or "none", rule, f"name them, such as {_zone(platform, region)}")
    for number, zone in enumerate(region.zones):
        if zone in region.zones[:number]:
            yield problem(f"{path}.{number}", zone, "the region has it already", "name each zone once")
        elif not re.fullmatch(_ZONE_NAMES[platform].format(region.name), zone):
            rule = f"no zone of {region.name} is named like this"
            yield problem(f"{path}.{number}", zone, rule, f"write it as {_zone(platform, region)}")


def _zone(platform: Platform, region: Region) -> str:
    return _ZONE_EXAMPLES[platform].format(region.name)


def _clusters(parts: Parts) -> Iterator[Problem]:
    clusters: Clusters | None = parts.get("clusters")
    if clusters is None:
        return
    for index, text in enumerate(clusters.public_networks):
        block = network(text)
        if block is None:
            yield problem(
                f"clusters.public_networks.{index}", text, "it is no IPv4 network", "write it as 203.0.113.0/24"
            )
        elif block.prefixlen < WIDEST_PUBLIC_PREFIX:
            rule = "it is a large part of the internet"
            yield problem(f"clusters.public_networks.{index}", text, rule, "name your own networks, or none")


def _region_workers(regions: tuple[Region, ...], workers: Workers | None) -> Iterator[Problem]:
    stated = [region.workers for region in regions if region.workers is not None]
    for index, region in enumerate(regions):
        if region.workers is not None:
            yield from _bounds(f"regions.{index}.workers", region.workers)
        elif stated:
            rule = "other regions state their workers and this one does not"
            yield problem(f"regions.{index}.workers", "missing", rule, "state them for every region or for none")
    if workers is None or len(stated) != len(regions) or not stated:
        return
    for name in ("count", "minimum", "maximum"):
        total, sum_of_all = getattr(workers, name), sum(getattr(item, name) for item in stated)
        if total != sum_of_all:
            rule = f"the regions' workers.{name} add up to {sum_of_all}"
            yield problem(f"workers.{name}", total, rule, f"use {sum_of_all}, or change the regions")


def _traffic(parts: Parts) -> Iterator[Problem]:
    if "traffic" not in parts:
        return
    traffic: Traffic | None = parts["traffic"]
    if traffic is None:
        if len(parts.get("regions") or ()) > 1:
            yield problem("traffic", "missing", "several regions need global DNS", "add traffic: {domain: …}")
        return
    if traffic.rto_target_s is not None and len(parts.get("regions") or ()) == 1:
        rule = "one region has no other to fail over to"
        yield problem("traffic.rto_target_s", traffic.rto_target_s, rule, "add a region, or leave it out")
    if parts.get("environment") is EnvironmentName.PROD and traffic.ttl_s > PROD_LONGEST_TTL_S:
        rule = "in prod resolvers must not send clients to a dead region for longer than a minute"
        yield problem("traffic.ttl_s", traffic.ttl_s, rule, f"use {PROD_LONGEST_TTL_S} or less")
    yield from health_check_problems(parts.get("platform"), traffic.health_check)


def _coordinators(parts: Parts) -> Iterator[Problem]:
    coordinators: Coordinators | None = parts.get("coordinators")
    if coordinators is None:
        return
    mode, count, fewest = coordinators.mode, coordinators.count, _FEWEST_COORDINATORS[coordinators.mode]
    if count < fewest or (mode is CoordinatorMode.SINGLE and count > 1):
        yield problem(
            "coordinators.mode",
            mode.value,
            f"it does not go with count {count}",
            "single goes with 1, highly-available with 2 or more, active-active-standby with 3 or more",
        )
    caches: Caches | None = parts.get("caches")
    limit = coordinators.resources.memory_limit_gib
    if caches is not None and caches.memory_gib >= limit:
        rule = f"it does not fit into coordinators.resources.memory_limit_gib {limit:g}"
        yield problem("caches.memory_gib", caches.memory_gib, rule, f"use less than {limit:g}, or raise the limit")
    if coordinators.http_port == coordinators.grpc_port:
        yield problem("coordinators.grpc_port", coordinators.grpc_port, "it is also http_port", "give each its own")


def _machines(parts: Parts) -> Iterator[Problem]:
    platform: Platform | None = parts.get("platform")
    for name in ("coordinators", "workers", "storage"):
        part = parts.get(name)
        if part is None:
            continue
        path = f"{name}.machine"
        try:
            row = machine(part.machine)
        except UnknownNameError as error:
            yield problem(path, part.machine, "the machine must be in the catalogue", error.hint)
            continue
        of_cloud = [item for item in machines().values() if platform is not None and item.cloud.value == platform.value]
        with_gpu = ", ".join(item.name for item in of_cloud if item.gpu is not None)
        wished = with_gpu if name == "workers" else ", ".join(item.name for item in of_cloud if item.gpu is None)
        if platform is not None and row.cloud.value != platform.value:
            yield problem(
                path, part.machine, f"it is a machine of {row.cloud.value}, not {platform.value}", f"take {wished}"
            )
        elif name == "workers" and row.gpu is None:
            yield problem(path, part.machine, "workers need GPUs and it has none", f"take {with_gpu}")


def _workers(parts: Parts) -> Iterator[Problem]:
    workers: Workers | None = parts.get("workers")
    scaling: Autoscaling | None = parts.get("autoscaling")
    if workers is not None:
        yield from _bounds("workers", workers)
        if workers.coordination_port == workers.tensor_port:
            yield problem("workers.tensor_port", workers.tensor_port, "it is also coordination_port", "use two ports")
    if scaling is None:
        return
    if workers is not None and workers.maximum > scaling.ceiling_workers:
        rule = f"it is above autoscaling.ceiling_workers {scaling.ceiling_workers}"
        yield problem("workers.maximum", workers.maximum, rule, "lower it or raise the ceiling")
    up, down = scaling.scale_up.utilization_fraction, scaling.scale_down.utilization_fraction
    if down >= up:
        rule = f"it is not below scale_up's {up}: the pool would flap"
        yield problem("autoscaling.scale_down.utilization_fraction", down, rule, "leave a gap, such as 0.4 and 0.8")


def _bounds(path: str, workers: WorkerCounts) -> Iterator[Problem]:
    if not workers.minimum <= workers.count <= workers.maximum:
        rule = f"it lies outside minimum {workers.minimum} to maximum {workers.maximum}"
        yield problem(f"{path}.count", workers.count, rule, "widen the bounds or change the count")


def _resources(parts: Parts) -> Iterator[Problem]:
    for name in ("coordinators", "workers"):
        part = parts.get(name)
        if part is None:
            continue
        for what, unit in (("cpu", ""), ("memory", "_gib")):
            request = getattr(part.resources, f"{what}_request{unit}")
            limit = getattr(part.resources, f"{what}_limit{unit}")
            if request > limit:
                rule = f"it exceeds {what}_limit{unit} {limit:g}"
                fix = "raise the limit or lower the request"
                yield problem(f"{name}.resources.{what}_request{unit}", f"{request:g}", rule, fix)


def _model(parts: Parts) -> Iterator[Problem]:
    serving: ModelServing | None = parts.get("model")
    if serving is None:
        return
    try:
        longest = model(serving.id).max_context_tokens
        if serving.context_tokens > longest:
            rule = f"{serving.id} was trained for {longest}"
            yield problem("model.context_tokens", serving.context_tokens, rule, f"use at most {longest}")
    except UnknownNameError as error:
        yield problem("model.id", serving.id, "the model must be in the catalogue", error.hint)
    names = [profile.name.value for profile in serving.profiles]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield problem(f"model.profiles.{index}.name", name, "another profile has it", "give each name once")
    if serving.profiles[0].minimum_replicas < 1:
        yield problem("model.profiles.0.minimum_replicas", 0, "the first profile serves by default", "use 1 or more")


def _store(parts: Parts) -> Iterator[Problem]:
    serving: ModelServing | None = parts.get("model")
    if serving is None:
        return
    kind, bucket = serving.store.kind, serving.store.bucket
    pattern, example = _BUCKETS[kind]
    if not re.fullmatch(pattern, bucket):
        yield problem("model.store.bucket", bucket, f"it is no name for {kind.value}", f"write it as {example}")
    platform: Platform | None = parts.get("platform")
    if kind is StoreKind.EFS and platform is not None and platform is not Platform.AWS:
        yield problem("model.store.kind", kind.value, f"{platform.value} has no EFS", "use nfs or the cloud's buckets")


def _targets(parts: Parts) -> Iterator[Problem]:
    targets: Targets | None = parts.get("targets")
    if targets is None:
        return
    for name in ("time_to_first_token_s", "inter_token_latency_s"):
        value = getattr(targets, name)
        if value.p50 > value.p95:
            shown, rule = f"p50 {value.p50:g}, p95 {value.p95:g}", "the median cannot exceed the 95th percentile"
            yield problem(f"targets.{name}", shown, rule, "swap them")
    for name in ("throughput_tokens_per_s", "quality_fraction", "weights_in_use_gb"):
        value = getattr(targets, name)
        if value.maximum is not None and value.minimum > value.maximum:
            shown = f"{value.minimum:g} to {value.maximum:g}"
            yield problem(f"targets.{name}", shown, "minimum exceeds maximum", "swap them")
    quality = targets.quality_fraction
    for name, value in (("minimum", quality.minimum), ("maximum", quality.maximum)):
        if value is not None and value > 1:
            rule = "a fraction is at most 1"
            yield problem(f"targets.quality_fraction.{name}", f"{value:g}", rule, "write 97% as 0.97")


def _data(parts: Parts) -> Iterator[Problem]:
    data: Data | None = parts.get("data")
    if data is not None and data.redis_nodes != 1 and (data.redis_nodes < 6 or data.redis_nodes % 2):
        rule = "a cluster has at least three primaries, each with one replica"
        yield problem("data.redis_nodes", data.redis_nodes, rule, "use 1, or an even number from 6")
    images: Images | None = parts.get("images")
    for name in ("coordinator", "worker") if images is not None else ():
        image = getattr(images, name)
        if image.tag == "latest" and image.digest is None:
            rule = "it means another image every day"
            yield problem(f"images.{name}.tag", image.tag, rule, "name a version, or give the digest")


_RULES = (
    _regions,
    _networks,
    cluster_network_problems,
    name_problems,
    _clusters,
    _traffic,
    _coordinators,
    _machines,
    offer_problems,
    _workers,
    _resources,
    _model,
    _store,
    _targets,
    _data,
)
