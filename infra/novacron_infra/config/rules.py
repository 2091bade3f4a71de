"""The rules between the parts of a cloud environment: what no single field can know.

A part that is missing from `parts` is itself invalid and already reported: the rules that need it wait.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from novacron_infra.catalog import UnknownNameError, model
from novacron_infra.config.problems import problem
from novacron_infra.config.region_rules import (
    BUCKETS,
    DNS_NAME,
    LONGEST_REGION_NAME,
    REGION_RULES,
    Parts,
    bounds_problems,
    machine_problems,
    store_problems,
)
from novacron_infra.config.sections.autoscaling import Autoscaling
from novacron_infra.config.sections.caches import Caches
from novacron_infra.config.sections.clusters import Clusters
from novacron_infra.config.sections.coordinators import CoordinatorMode, Coordinators
from novacron_infra.config.sections.data import Data
from novacron_infra.config.sections.images import Images
from novacron_infra.config.sections.model import ModelServing
from novacron_infra.config.sections.model_store import OWN_STORE
from novacron_infra.config.sections.platform import EnvironmentName, Platform
from novacron_infra.config.sections.regions import Region
from novacron_infra.config.sections.targets import Targets
from novacron_infra.config.sections.traffic import HealthCheck, Traffic
from novacron_infra.config.sections.workers import Workers
from novacron_infra.errors import Problem
from novacron_infra.networks import WIDEST_PUBLIC_PREFIX, network

OWN_TAGS = ("Environment", "Project", "Component")

PROD_LONGEST_TTL_S = 60
_FEWEST_COORDINATORS = {
    CoordinatorMode.SINGLE: 1,
    CoordinatorMode.HIGHLY_AVAILABLE: 2,
    CoordinatorMode.ACTIVE_ACTIVE_STANDBY: 3,
}


def broken_cloud_rules(parts: Parts) -> list[Problem]:
    """The rules that do not hold, in the order of the file's parts."""
    return [found for rule in _RULES for found in rule(parts)]


def health_check_problems(platform: Platform | None, check: HealthCheck) -> Iterator[Problem]:
    """What the DNS service of `platform` cannot do about the probe's timeout."""
    if platform is Platform.AWS and check.timeout_s is not None:
        rule = "Route 53's timeout cannot be set: it waits 4 s to connect and 2 s for the status"
        yield problem("traffic.health_check.timeout_s", check.timeout_s, rule, "leave it out")
    elif check.timeout_s is not None and check.timeout_s > check.interval_s:
        rule = f"a probe would outlast interval_s {check.interval_s}"
        yield problem("traffic.health_check.timeout_s", check.timeout_s, rule, f"use {check.interval_s} or less")


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
    platform: Platform | None = parts.get("platform")
    yield from health_check_problems(platform, traffic.health_check)
    if traffic.drain_switch and platform is not None and platform is not Platform.AWS:
        rule = f"only Route 53 has switches, and {platform.value} answers"
        yield problem("traffic.drain_switch", "true", rule, "leave it out: let the coordinators fail the probe")
    if traffic.zone is None and DNS_NAME.fullmatch(traffic.domain) and traffic.domain.count(".") < 2:
        rule = "its zone would be the domain without its first label, a top-level domain"
        yield problem("traffic.zone", "missing", rule, f"name the zone, such as {traffic.domain}")


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
        if part is not None:
            yield from machine_problems(f"{name}.machine", part.machine, platform, name == "workers")


def _workers(parts: Parts) -> Iterator[Problem]:
    workers: Workers | None = parts.get("workers")
    scaling: Autoscaling | None = parts.get("autoscaling")
    if workers is not None:
        yield from bounds_problems("workers", workers)
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
    kind, bucket, platform = serving.store.kind, serving.store.bucket, parts.get("platform")
    pattern, example = BUCKETS[kind]
    yield from store_problems("model.store.kind", "model.store.bucket", kind, bucket, platform)
    if kind in OWN_STORE.values() and bucket is not None and re.fullmatch(pattern, bucket):
        regions: tuple[Region, ...] = parts.get("regions") or ()
        own = [item.name for item in regions if item.overrides is None and len(item.name) <= LONGEST_REGION_NAME]
        names = [serving.store.bucket_in(name, own[0]) or "" for name in own[1:]]
        longest = max(names, key=len, default=bucket)
        if not re.fullmatch(pattern, longest):
            rule = f"its copy {longest} has {len(longest)} characters and is no name for {kind.value}"
            yield problem("model.store.bucket", bucket, rule, f"shorten it, such as {example}")
    models, configuration = serving.store.model_names, serving.store.configuration_names
    # Models in the whole bucket leave configuration a folder of its own all the same.
    if models and (models.startswith(configuration) or configuration.startswith(models)):
        rule = f"it overlaps model.store.prefix {serving.store.prefix}: the two are copied at different rates"
        fix = "name a folder beside it, such as configuration"
        yield problem("model.store.configuration_prefix", serving.store.configuration_prefix, rule, fix)


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


def _tags(parts: Parts) -> Iterator[Problem]:
    for name, value in (parts.get("tags") or {}).items():
        if name in OWN_TAGS:
            yield problem(f"tags.{name}", value, "the environment sets this one itself", "name it otherwise")


def _data(parts: Parts) -> Iterator[Problem]:
    data: Data | None = parts.get("data")
    if data is not None and data.redis_nodes != 1 and (data.redis_nodes < 6 or data.redis_nodes % 2):
        rule = "a cluster has at least three primaries, each with one replica"
        yield problem("data.redis_nodes", data.redis_nodes, rule, "use 1, or an even number from 6")
    images: Images | None = parts.get("images")
    for name in Images.model_fields if images is not None else ():
        image = getattr(images, name)
        if image.tag == "latest" and image.digest is None:
            rule = "it means another image every day"
            yield problem(f"images.{name}.tag", image.tag, rule, "name a version, or give the digest")


_RULES = (
    *REGION_RULES,
    _clusters,
    _traffic,
    _coordinators,
    _machines,
    _workers,
    _resources,
    _model,
    _store,
    _targets,
    _data,
    _tags,
)
