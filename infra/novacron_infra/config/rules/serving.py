"""Rules for the serving stack in the clusters of a cloud environment."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.catalog import EngineKind
from novacron_infra.config.problems import MISSING, item_path, problem
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.sections.add_ons import AddOn, AddOns
from novacron_infra.config.sections.platform import Platform
from novacron_infra.errors import Problem

_NEEDED = {
    "cert_manager": "certificates",
    "external_secrets": "passwords",
    "leader_worker_set": "replicas that span nodes",
}
"""Add-ons that the serving stack needs in every cloud, and what for."""
_ZONES_OF_ONE_CLOUD = (Platform.GCP, Platform.AZURE)
"""Clouds whose DNS service cert-manager reaches only from clusters of the same cloud."""


def check_serving(parts: Parts) -> Iterator[Problem]:
    """Check what the serving stack needs, if it is on."""
    clusters = parts.get("clusters")
    if clusters is None:
        return
    yield from _check_unused_add_ons(parts)
    if not clusters.serving:
        return
    if not clusters.add_ons:
        rule = "the serving stack needs the cluster add-ons"
        yield problem("clusters.add_ons", False, rule, "Set it to true, or clusters.serving to false")
    yield from _check_add_ons(parts)
    yield from _check_engine(parts)
    yield from _check_account(parts)
    yield from _check_zone(parts)


def _check_unused_add_ons(parts: Parts) -> Iterator[Problem]:
    """Report add-ons to install that would not be installed."""
    platform, clusters, add_ons = parts.get("platform"), parts.get("clusters"), parts.get("add_ons")
    if platform is None or clusters is None or add_ons is None:
        return
    chosen = [name for name in AddOns.model_fields if getattr(add_ons, name) is AddOn.INSTALL]
    if not clusters.add_ons and not clusters.serving:
        for name in chosen:
            rule = "clusters.add_ons is false, so nothing is installed"
            yield problem(
                f"add_ons.{name}", AddOn.INSTALL.value, rule, "Set clusters.add_ons to true, or remove this key"
            )
    on_aws = any(region.find_platform(platform) is Platform.AWS for region in parts.get("regions", ()))
    if add_ons.load_balancer_controller is AddOn.INSTALL and not on_aws:
        rule = "it is AWS Load Balancer Controller, and no region is on aws"
        yield problem("add_ons.load_balancer_controller", AddOn.INSTALL.value, rule, "Remove this key")


def _check_add_ons(parts: Parts) -> Iterator[Problem]:
    platform, add_ons = parts.get("platform"), parts.get("add_ons")
    if platform is None or add_ons is None:
        return
    for cloud in dict.fromkeys(region.find_platform(platform) for region in parts.get("regions", ())):
        filled = add_ons.fill(cloud, serving=True)
        needed = {**_NEEDED, "load_balancer_controller": "load balancers"} if cloud is Platform.AWS else _NEEDED
        for name, purpose in needed.items():
            if (choice := getattr(filled, name)) is AddOn.NONE:
                rule = f"the serving stack needs it on {cloud.value}, for {purpose}"
                yield problem(f"add_ons.{name}", choice.value, rule, "Remove this key, or use existing")


def _check_engine(parts: Parts) -> Iterator[Problem]:
    model = parts.get("model")
    if model is not None and model.engine is not EngineKind.TENSORRT_LLM:
        rule = "clusters.serving is true, and workers in the clusters run TensorRT-LLM"
        fix = "Use tensorrt-llm, or set clusters.serving to false and run workers of your own"
        yield problem("model.engine", model.engine.value, rule, fix)


def _check_account(parts: Parts) -> Iterator[Problem]:
    """Report a missing account id: policies check the names of images, which contain it."""
    platform, accounts, images = parts.get("platform"), parts.get("accounts"), parts.get("images")
    if platform is None or accounts is None or images is None or accounts.aws_account_id is not None:
        return
    in_registries = images.coordinator.in_region_registry or images.worker.in_region_registry
    if in_registries and any(region.find_platform(platform) is Platform.AWS for region in parts.get("regions", ())):
        rule = "images are in the registries of regions on aws, whose names contain it"
        fix = "Add the id of the account, or name another registry in images.coordinator and images.worker"
        yield problem("accounts.aws_account_id", MISSING, rule, fix)


def _check_zone(parts: Parts) -> Iterator[Problem]:
    platform = parts.get("platform")
    if platform is None or platform not in _ZONES_OF_ONE_CLOUD or parts.get("traffic") is None:
        return
    regions = parts.get("regions", ())
    for index, region in enumerate(regions):
        cloud = region.find_platform(platform)
        if cloud is not platform:
            rule = f"its cluster cannot get a certificate for traffic.domain: the DNS zone is in {platform.value}"
            fix = "Set platform to aws, whose DNS zone clusters in every cloud reach, or clusters.serving to false"
            yield problem(f"{item_path('regions', regions, index)}.overrides.platform", cloud.value, rule, fix)
