"""What the clouds say of a region: its machines, its addresses, and how long the names are that are made from it.

All of it holds for one region after the other; what holds between the parts of an environment is in `rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from novacron_infra.catalog import Cloud, Offered, machines, offer
from novacron_infra.config.problems import problem
from novacron_infra.config.sections import ModelServing, Platform, Region, StoreKind, Traffic
from novacron_infra.errors import Problem
from novacron_infra.networks import network

Parts = Mapping[str, Any]

CLUSTER_NETWORKS = {
    Platform.AWS: {"services": "172.20.0.0/16"},
    Platform.AZURE: {"services": "172.20.0.0/16", "pods": "10.244.0.0/16"},
}
"""What every cluster takes beside its region's network. On Google both lie inside it."""
LONGEST_REGION_NAME = 24
"""One more than northamerica-northeast1 has: names made from a region's stay within what the clouds allow."""
_LONGEST_BUCKET = 63
LONGEST_LABEL = 63
LONGEST_DNS_NAME = 253
"""Characters that fit into the 255 octets of RFC 1035, 2.3.4."""
_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
DNS_NAME = re.compile(rf"(?!.*\.\d+$){_LABEL}(\.{_LABEL})+")
"""The last label is no number: that would be a mistyped address."""


def offer_problems(parts: Parts) -> Iterator[Problem]:
    """Machines that a region is known not to have. Where no list knows, the plan says so."""
    regions: tuple[Region, ...] = parts.get("regions") or ()
    for index, region in enumerate(regions):
        for role in ("coordinators", "workers", "storage"):
            name = _machine_name(parts, region, role)
            row = machines().get(name or "")
            if row is None or row.cloud is not _cloud(parts, region):
                continue  # told already
            found = offer(row.name, region.name)
            if found.offered is not Offered.NO:
                continue
            others = [item for item in machines().values() if (item.gpu is None) == (row.gpu is None)]
            here = [item.name for item in others if offer(item.name, region.name).offered is Offered.YES]
            fixes = [f"take {', '.join(here)}"] if here else []
            fixes += [f"take a region that has it, such as {', '.join(found.elsewhere[:5])}"] if found.elsewhere else []
            rule = f"it has no {row.name}, which {role}.machine asks for ({found.source})"
            fix = f"{', or '.join(fixes)}; if it is offered by now, add the region to the catalogue's regions.yaml"
            yield problem(f"regions.{index}.name", region.name, rule, fix)


def cluster_network_problems(parts: Parts) -> Iterator[Problem]:
    """Networks of regions that their own cluster's pods or services would collide with."""
    regions: tuple[Region, ...] = parts.get("regions") or ()
    for index, region in enumerate(regions):
        cloud, block = _cloud(parts, region), network(region.network or "")
        for what, taken in CLUSTER_NETWORKS.get(Platform(cloud.value), {}).items() if cloud else ():
            if block is not None and block.overlaps(IPv4Network(taken)):
                rule = f"it overlaps the cluster's {what} {taken}"
                yield problem(f"regions.{index}.network", region.network, rule, f"write it as 10.{index}.0.0/16")


def name_problems(parts: Parts) -> Iterator[Problem]:
    """Names that are too long for what is made from them, told before anything is made."""
    regions: tuple[Region, ...] = parts.get("regions") or ()
    traffic: Traffic | None = parts.get("traffic")
    serving: ModelServing | None = parts.get("model")
    for index, region in enumerate(regions):
        if len(region.name) > LONGEST_REGION_NAME:
            rule = f"it has {len(region.name)} characters, and no region's name has more than {LONGEST_REGION_NAME}"
            yield problem(f"regions.{index}.name", region.name, rule, "write it as the cloud does")
    yield from dns_label_problems(regions)
    if traffic is not None:
        yield from dns_name_problems(traffic.domain)
    copied = serving is not None and serving.store.kind in (StoreKind.S3, StoreKind.GCS)
    if serving is not None and copied and len(serving.store.bucket) <= _LONGEST_BUCKET:
        # The first region has the bucket's own name, each other one its copy: environment.py.
        copies = [f"{serving.store.bucket}-{region.name}" for region in regions[1:]]
        longest = max(copies, key=len, default="")
        if len(longest) > _LONGEST_BUCKET:
            over = len(longest) - _LONGEST_BUCKET
            rule = f"its copy {longest} has {len(longest)} characters; a bucket has {_LONGEST_BUCKET} at most"
            fix = f"use {len(serving.store.bucket) - over} characters or fewer"
            yield problem("model.store.bucket", serving.store.bucket, rule, fix)


def dns_name_problems(domain: str) -> Iterator[Problem]:
    """What DNS does not take as the name that clients use."""
    if not DNS_NAME.fullmatch(domain):
        rule = "it is no DNS name in lower case, without a dot at its end"
        yield problem("traffic.domain", domain, rule, "write it as api.novacron.ai")
    for label in domain.split("."):
        if len(label) > LONGEST_LABEL:
            rule = f"a label of {len(label)} characters; DNS allows {LONGEST_LABEL}"
            yield problem("traffic.domain", domain, rule, "shorten it")


def dns_label_problems(regions: Sequence[Region]) -> Iterator[Problem]:
    """What DNS does not take as a region's name below the domain."""
    for index, region in enumerate(regions):
        if len(region.dns_label) > LONGEST_LABEL:
            rule = f"{len(region.dns_label)} characters; a DNS label has {LONGEST_LABEL} at most"
            yield problem(f"regions.{index}.dns_label", region.dns_label, rule, "shorten it")


def _cloud(parts: Parts, _region: Region) -> Cloud | None:
    """The cloud that a region is in."""
    platform: Platform | None = parts.get("platform")
    return None if platform in (None, Platform.LOCAL) else Cloud(platform.value)


def _machine_name(parts: Parts, _region: Region, role: str) -> str | None:
    """The machine that a role has in a region."""
    part = parts.get(role)
    return None if part is None else part.machine
