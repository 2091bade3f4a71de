"""The rules of an environment's regions: names, zones and networks, machines that they have, other clouds.

As in `rules`, a part that is missing from `parts` is itself invalid and already reported.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from novacron_infra.catalog import Cloud, Offered, UnknownNameError, machine, machines, offer, region_lists
from novacron_infra.config.problems import problem
from novacron_infra.config.sections.accounts import Accounts
from novacron_infra.config.sections.model import ModelServing
from novacron_infra.config.sections.model_store import OWN_STORE, StoreKind
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.regions import Region
from novacron_infra.config.sections.traffic import Traffic
from novacron_infra.config.sections.workers import WorkerCounts, Workers
from novacron_infra.errors import Problem
from novacron_infra.networks import network

Parts = Mapping[str, Any]

REGION_NAMES = {
    Platform.AWS: (r"[a-z]{2}(-[a-z]+)+-\d+", "us-west-2"),
    Platform.GCP: (r"[a-z]+-[a-z]+\d+", "us-central1"),
    Platform.AZURE: (r"[a-z]+\d?", "westus2"),
}
_ZONE_NAMES = {Platform.AWS: "{}[a-z]", Platform.GCP: "{}-[a-z]", Platform.AZURE: "[1-3]"}
_ZONE_EXAMPLES = {Platform.AWS: "{}a", Platform.GCP: "{}-a", Platform.AZURE: "1"}
_ZONE_COUNTS = {Platform.AWS: (2, 3), Platform.GCP: (1, 3), Platform.AZURE: (0, 3)}
_WIDEST_NETWORK, _NARROWEST_NETWORK = 16, 20
CLUSTER_NETWORKS = {
    Platform.AWS: {"services": "172.20.0.0/16"},
    Platform.AZURE: {"services": "172.20.0.0/16", "pods": "10.244.0.0/16"},
}
"""What every cluster takes beside its region's network. On Google both lie inside it."""
LONGEST_REGION_NAME = 24
"""One more than northamerica-northeast1 has: names made from a region's stay within what the clouds allow."""
_NEAR = 0.8
"""How alike names are that one may have been mistyped for: us-west-1 for us-west-5, not us-east-1."""
LONGEST_LABEL = 63
LONGEST_DNS_NAME = 253
"""Characters that fit into the 255 octets of RFC 1035, 2.3.4."""
_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
DNS_NAME = re.compile(rf"(?!.*\.\d+$){_LABEL}(\.{_LABEL})+")
"""The last label is no number: that would be a mistyped address."""
BUCKETS = {
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


def shared_region_problems(regions: Sequence[Region]) -> Iterator[Problem]:
    """What holds between regions of any cloud: names of their own, and traffic for someone."""
    for what in ("name", "dns_label"):
        values = [getattr(region, what) for region in regions]
        for index, value in enumerate(values):
            if value in values[:index]:
                yield problem(f"regions.{index}.{what}", value, "another region has it", "give each region its own")
    if regions and sum(region.weight for region in regions) == 0:
        yield problem("regions", "weights 0", "no region would get traffic", "give at least one a weight")


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


def _regions(parts: Parts) -> Iterator[Problem]:
    regions: tuple[Region, ...] = parts.get("regions") or ()
    platform: Platform | None = parts.get("platform")
    yield from shared_region_problems(regions)
    for index, region in enumerate(regions):
        if platform is None:
            break
        cloud = region.platform(platform)
        pattern, example = REGION_NAMES[cloud]
        if not re.fullmatch(pattern, region.name):
            rule = f"no region of {cloud.value} is named like this"
            yield problem(f"regions.{index}.name", region.name, rule, f"write it as {example}")
        elif not region.new:
            escape = f"; if it was opened since, set regions.{index}.new to true"
            yield from _unlisted(f"regions.{index}.name", region.name, cloud, escape)
    yield from _region_workers(regions, parts.get("workers"))


def _unlisted(path: str, name: str, platform: Platform, escape: str = "") -> Iterator[Problem]:
    """A region that its cloud's list does not have: most likely it was mistyped, and a run would find out late."""
    found = region_lists().get(Cloud(platform.value))
    if found is None or name in found.names or len(name) > LONGEST_REGION_NAME:
        return
    near = sorted(difflib.get_close_matches(name, found.names, cutoff=_NEAR))
    fix = f"take {' or '.join(near)}" if near else f"write it as {REGION_NAMES[platform][1]}"
    yield problem(path, name, f"{platform.value} had no such region on {found.as_of}", fix + escape)


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
        cloud = None if platform is None else region.platform(platform)
        if cloud is not None and re.fullmatch(REGION_NAMES[cloud][0], region.name):
            yield from _zones(f"regions.{index}.zones", region, cloud)


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


def _cluster_networks(parts: Parts) -> Iterator[Problem]:
    """Networks of regions that their own cluster's pods or services would collide with."""
    regions: tuple[Region, ...] = parts.get("regions") or ()
    for index, region in enumerate(regions):
        cloud, block = _cloud(parts, region), network(region.network or "")
        for what, taken in CLUSTER_NETWORKS.get(Platform(cloud.value), {}).items() if cloud else ():
            if block is not None and block.overlaps(IPv4Network(taken)):
                rule = f"it overlaps the cluster's {what} {taken}"
                yield problem(f"regions.{index}.network", region.network, rule, f"write it as 10.{index}.0.0/16")


def _names(parts: Parts) -> Iterator[Problem]:
    """Names that are too long for what is made from them, told before anything is made."""
    regions: tuple[Region, ...] = parts.get("regions") or ()
    traffic: Traffic | None = parts.get("traffic")
    for index, region in enumerate(regions):
        if len(region.name) > LONGEST_REGION_NAME:
            rule = f"it has {len(region.name)} characters, and no region's name has more than {LONGEST_REGION_NAME}"
            yield problem(f"regions.{index}.name", region.name, rule, "write it as the cloud does")
    yield from dns_label_problems(regions)
    if traffic is not None:
        yield from dns_name_problems(traffic.domain)


def _region_workers(regions: tuple[Region, ...], workers: Workers | None) -> Iterator[Problem]:
    stated = [region.workers for region in regions if region.workers is not None]
    for index, region in enumerate(regions):
        if region.workers is not None:
            yield from bounds_problems(f"regions.{index}.workers", region.workers)
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


def machine_problems(path: str, name: str, platform: Platform | None, for_workers: bool) -> Iterator[Problem]:
    """Whether the catalogue has a machine, and in that cloud, with GPUs for workers and without for others."""
    try:
        row = machine(name)
    except UnknownNameError as error:
        yield problem(path, name, "the machine must be in the catalogue", error.hint)
        return
    of_cloud = [item for item in machines().values() if platform is not None and item.cloud.value == platform.value]
    wished = ", ".join(item.name for item in of_cloud if (item.gpu is not None) is for_workers)
    if platform is not None and row.cloud.value != platform.value:
        yield problem(path, name, f"it is a machine of {row.cloud.value}, not {platform.value}", f"take {wished}")
    elif for_workers and row.gpu is None:
        yield problem(path, name, "workers need GPUs and it has none", f"take {wished}")


def _overrides(parts: Parts) -> Iterator[Problem]:
    """Regions of another cloud than the environment's."""
    platform: Platform | None = parts.get("platform")
    regions: tuple[Region, ...] = parts.get("regions") or ()
    for index, region in enumerate(regions):
        other, path = region.overrides, f"regions.{index}.overrides"
        if platform is None or other is None:
            continue
        if other.platform is platform:
            rule = f"{platform.value} is the environment's own cloud"
            yield problem(f"{path}.platform", platform.value, rule, "leave overrides out")
            continue
        if index == 0:
            rule = f"the first region is the primary, and the environment's platform is {platform.value}"
            yield problem(
                f"{path}.platform", other.platform.value, rule, "name a region of the environment's cloud first"
            )
        yield from machine_problems(f"{path}.coordinators", other.coordinators, other.platform, for_workers=False)
        yield from machine_problems(f"{path}.workers", other.workers, other.platform, for_workers=True)
        yield from _same_gpus(f"{path}.workers", other.workers, parts.get("workers"))
        if other.storage is not None:
            yield from machine_problems(f"{path}.storage", other.storage, other.platform, for_workers=False)
        elif parts.get("storage") is not None:
            rule = "the environment has storage nodes"
            yield problem(f"{path}.storage", "missing", rule, f"name a machine of {other.platform.value}")
        kind = other.store_kind or OWN_STORE[other.platform]
        yield from store_problems(f"{path}.store_kind", f"{path}.bucket", kind, other.bucket, other.platform)
        pattern, example = REGION_NAMES[platform]
        if not re.fullmatch(pattern, other.nearest):
            rule = f"no region of {platform.value}, whose DNS answers, is named like this"
            yield problem(f"{path}.nearest", other.nearest, rule, f"write it as {example}")
        elif other.nearest not in [item.name for item in regions if item.new]:
            yield from _unlisted(f"{path}.nearest", other.nearest, platform)


def store_problems(
    kind_path: str, path: str, kind: StoreKind, bucket: str | None, platform: Platform | None
) -> Iterator[Problem]:
    """Whether a cloud has such a model store, and whether it is named as that kind is."""
    pattern, example = BUCKETS[kind]
    if bucket is not None and not re.fullmatch(pattern, bucket):
        yield problem(path, bucket, f"it is no name for {kind.value}", f"write it as {example}")
    if bucket is None and kind in OWN_STORE.values():
        yield problem(path, "missing", f"{kind.value} needs a name", f"write it as {example}")
    if platform is None:
        return
    if kind in OWN_STORE.values() and kind is not OWN_STORE[platform]:
        rule = f"{platform.value} makes its own buckets, {OWN_STORE[platform].value}"
        yield problem(kind_path, kind.value, rule, f"use {OWN_STORE[platform].value}")
    if kind is StoreKind.EFS and platform is not Platform.AWS:
        yield problem(kind_path, kind.value, f"{platform.value} has no EFS", "use nfs or the cloud's buckets")
    if kind is StoreKind.NFS and platform is Platform.AWS and bucket is None:
        rule = "aws makes no NFS server of this kind"
        yield problem(path, "missing", rule, f"name one that exists, such as {example}, or use efs")


def _region_stores(parts: Parts) -> Iterator[Problem]:
    """File systems that regions have already."""
    serving: ModelServing | None = parts.get("model")
    regions: tuple[Region, ...] = parts.get("regions") or ()
    if serving is None:
        return
    taken: dict[str, str] = {}
    for index, region in enumerate(regions):
        yield from _region_store(f"regions.{index}.bucket", region, index, serving.store.kind)
        kind, own, path = serving.store.kind, region.bucket, f"regions.{index}.bucket"
        if region.overrides is not None:
            kind, own, path = region.overrides.store_kind, region.overrides.bucket, f"regions.{index}.overrides.bucket"
        elif index == 0:
            own = serving.store.bucket
        if kind is StoreKind.EFS and own is not None and own in taken:
            yield problem(path, own, f"{taken[own]} has it, and a file system is in one region", "give each its own")
        elif kind is StoreKind.EFS and own is not None:
            taken[own] = region.name


def _region_store(path: str, region: Region, index: int, kind: StoreKind) -> Iterator[Problem]:
    if region.bucket is None:
        return
    pattern, example = BUCKETS[kind]
    if region.overrides is not None:
        yield problem(path, region.bucket, "the region is in another cloud", "write it as overrides.bucket")
    elif index == 0:
        rule = "the first region's is that of the environment"
        yield problem(path, region.bucket, rule, "write it as model.store.bucket")
    elif kind in OWN_STORE.values():
        rule = f"each region's {kind.value} bucket has a name made from model.store.bucket"
        yield problem(path, region.bucket, rule, "leave it out")
    elif not re.fullmatch(pattern, region.bucket):
        yield problem(path, region.bucket, f"it is no name for {kind.value}", f"write it as {example}")


def _same_gpus(path: str, name: str, workers: Workers | None) -> Iterator[Problem]:
    """Replicas are sized once: what a machine holds must not differ between clouds."""
    rows = machines()
    here, there = rows.get(workers.machine) if workers else None, rows.get(name)
    if here is None or there is None or there.gpu is None or here.gpu is None:
        return
    if (here.gpu, here.gpu_count) != (there.gpu, there.gpu_count):
        rule = (
            f"{there.gpu_count} × {there.gpu}, and {here.name} of the other regions has {here.gpu_count} × {here.gpu}"
        )
        same = [
            item.name
            for item in rows.values()
            if item.cloud is there.cloud and (item.gpu, item.gpu_count) == (here.gpu, here.gpu_count)
        ]
        yield problem(path, name, rule, f"take {' or '.join(same)}" if same else "take another machine for all regions")


def _accounts(parts: Parts) -> Iterator[Problem]:
    platform: Platform | None = parts.get("platform")
    accounts: Accounts | None = parts.get("accounts")
    regions: tuple[Region, ...] = parts.get("regions") or ()
    if platform is None or accounts is None:
        return
    clouds = {region.platform(platform) for region in regions}
    if Platform.GCP in clouds and accounts.google_project is None:
        rule = "regions on gcp are made in a project"
        yield problem("accounts.google_project", "missing", rule, "name the project's id")
    if Platform.AZURE in clouds and accounts.azure_subscription_id is None:
        rule = "regions on azure are made in a subscription"
        yield problem("accounts.azure_subscription_id", "missing", rule, "give its id, as `az account show` prints it")


def _offers(parts: Parts) -> Iterator[Problem]:
    """Machines that a region is known not to have. Where no list knows, the plan says so."""
    regions: tuple[Region, ...] = parts.get("regions") or ()
    for index, region in enumerate(regions):
        for role in ("coordinators", "workers", "storage"):
            part = parts.get(role)
            name = None if part is None else region.machine(role, part.machine)
            row = machines().get(name or "")
            if row is None or row.cloud is not _cloud(parts, region):
                continue  # told already
            found = offer(row.name, region.name)
            if found.offered is not Offered.NO:
                continue
            others = [item for item in machines().values() if (item.gpu is None) == (row.gpu is None)]
            here = [item.name for item in others if offer(item.name, region.name).offered is Offered.YES]
            fixes = [f"take {', '.join(here)}"] if here else []
            fixes += (
                [f"take a region that has it, such as {', '.join(found.other_regions[:5])}"]
                if found.other_regions
                else []
            )
            field = f"regions.{index}.overrides.{role}" if region.overrides else f"{role}.machine"
            rule = f"it has no {row.name}, which {field} asks for ({found.source})"
            fix = f"{', or '.join(fixes)}; if it is offered by now, add the region to the catalogue's regions.yaml"
            yield problem(f"regions.{index}.name", region.name, rule, fix)


def _cloud(parts: Parts, region: Region) -> Cloud | None:
    """The cloud that a region is in."""
    platform: Platform | None = parts.get("platform")
    return None if platform is None else Cloud(region.platform(platform).value)


def bounds_problems(path: str, workers: WorkerCounts) -> Iterator[Problem]:
    """Whether a number of workers lies within its own bounds."""
    if not workers.minimum <= workers.count <= workers.maximum:
        rule = f"it lies outside minimum {workers.minimum} to maximum {workers.maximum}"
        yield problem(f"{path}.count", workers.count, rule, "widen the bounds or change the count")


REGION_RULES = (
    _regions,
    _networks,
    _cluster_networks,
    _names,
    _overrides,
    _region_stores,
    _accounts,
    _offers,
)
