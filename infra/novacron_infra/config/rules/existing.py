"""Rules for things of a region that exist: their cloud, their zones, and the region in their ids."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_infra.config.problems import MISSING, item_path, problem
from novacron_infra.config.rules.owners import check_subscription
from novacron_infra.config.rules.parts import Parts
from novacron_infra.config.sections.accounts import Accounts
from novacron_infra.config.sections.existing import ExistingAws, ExistingAzure, ExistingGoogle
from novacron_infra.config.sections.model_store import OWN_STORE
from novacron_infra.config.sections.platform import Platform
from novacron_infra.config.sections.regions import Region
from novacron_infra.errors import Problem


def check_existing(parts: Parts) -> Iterator[Problem]:
    """Check what exists of each region, as far as its ids tell. Clouds are asked when the program runs."""
    regions, platform = parts.get("regions", ()), parts.get("platform")
    used: dict[str, str] = {}
    for index, region in enumerate(regions):
        path = f"{item_path('regions', regions, index)}.existing"
        if platform is not None:
            yield from _check_cloud(path, region, region.find_platform(platform))
        if region.existing.aws is not None:
            yield from _check_aws(f"{path}.aws", region, region.existing.aws)
        if region.existing.gcp is not None:
            yield from _check_google(f"{path}.gcp", region, region.existing.gcp)
        if region.existing.azure is not None:
            yield from _check_azure(f"{path}.azure", region.existing.azure, parts.get("accounts"))
        yield from _check_shared(path, region, used)
    yield from _check_buckets(parts)


def _check_buckets(parts: Parts) -> Iterator[Problem]:
    """Check buckets that exist: the kind of the store, the region of a key, and the key of one that receives copies."""
    regions, platform, model = parts.get("regions", ()), parts.get("platform"), parts.get("model")
    for index, region in enumerate(regions):
        path = f"{item_path('regions', regions, index)}.existing"
        aws, gcp, azure = region.existing.aws, region.existing.gcp, region.existing.azure
        given = {
            "aws.bucket": aws.bucket.name if aws and aws.bucket else None,
            "gcp.bucket": gcp.bucket if gcp else None,
            "azure.container": azure.container if azure else None,
        }
        found = next(((key, value) for key, value in given.items() if value is not None), None)
        if found is None or platform is None or model is None:
            continue
        key, value = found
        kind = model.store.kind
        if region.overrides is not None:
            kind = region.overrides.store_kind or OWN_STORE[region.overrides.platform]
        if kind not in OWN_STORE.values():
            rule = f"the models of this region are in a store of kind {kind.value}"
            yield problem(f"{path}.{key}", value, rule, "Remove it, or use the object storage of the cloud")
        if aws is None or aws.bucket is None:
            continue
        key_arn = aws.bucket.key_arn
        if key_arn is not None and key_arn.split(":")[3] != region.name:
            rule = f"it is in {key_arn.split(':')[3]}, and the region is {region.name}"
            yield problem(f"{path}.aws.bucket.key_arn", key_arn, rule, f"Name the key of a bucket in {region.name}")
        if key_arn is None and index > 0 and region.overrides is None:
            rule = "copies of the models are written to this bucket, encrypted with a key"
            yield problem(f"{path}.aws.bucket.key_arn", MISSING, rule, "Add the ARN of the bucket's key")


def _check_cloud(path: str, region: Region, platform: Platform) -> Iterator[Problem]:
    given = {
        Platform.AWS: region.existing.aws,
        Platform.GCP: region.existing.gcp,
        Platform.AZURE: region.existing.azure,
    }
    for cloud, things in given.items():
        if things is not None and cloud is not platform:
            rule = f"the region is on {platform.value}"
            yield problem(f"{path}.{cloud.value}", things.model_dump(), rule, f"Use {path}.{platform.value}")


def _check_aws(path: str, region: Region, existing: ExistingAws) -> Iterator[Problem]:
    if existing.key_arn is not None and existing.key_arn.split(":")[3] != region.name:
        rule = f"it is in {existing.key_arn.split(':')[3]}, and the region is {region.name}"
        fix = f"Name a key in {region.name}; of a multi-Region key, its replica there"
        yield problem(f"{path}.key_arn", existing.key_arn, rule, fix)
    if existing.network is None:
        return
    owners: dict[str, str] = {}
    kinds = {"private_subnets": existing.network.private_subnets, "public_subnets": existing.network.public_subnets}
    for kind, subnets in kinds.items():
        for zone in region.zones:
            if zone not in subnets:
                rule, fix = "each zone of the region needs a subnet", f"Add the id of a subnet in {zone}"
                yield problem(f"{path}.network.{kind}.{zone}", MISSING, rule, fix)
        for zone, subnet in subnets.items():
            key = f"{path}.network.{kind}.{zone}"
            if zone not in region.zones:
                rule = f"{zone} is not in zones of the region"
                yield problem(key, subnet, rule, f"Use {', '.join(region.zones)}, or add it to zones")
            if subnet in owners:
                rule = f"{owners[subnet]} has this subnet"
                yield problem(key, subnet, rule, "Name another one: nodes and load balancers use different subnets")
            owners.setdefault(subnet, f"{kind}.{zone}")


def _check_google(path: str, region: Region, existing: ExistingGoogle) -> Iterator[Problem]:
    network = existing.network
    if existing.key is not None and existing.key.split("/")[3] != region.name:
        rule = f"it is in {existing.key.split('/')[3]}, and databases and nodes take keys of their region only"
        yield problem(f"{path}.key", existing.key, rule, f"Name a key in {region.name}")
    if network is None:
        return
    _, project, _, subnet_region, *_ = network.subnet.split("/")
    if subnet_region != region.name:
        rule = f"it is in {subnet_region}, and the region is {region.name}"
        yield problem(f"{path}.network.subnet", network.subnet, rule, f"Name a subnet in {region.name}")
    owner = network.network.split("/")[1]
    if project != owner:
        rule = f"it is in the project {project}, and its network in {owner}"
        yield problem(f"{path}.network.subnet", network.subnet, rule, f"Name a subnet of {network.network}")
    if network.pods_range == network.services_range:
        rule = "pods and services need a range each"
        yield problem(f"{path}.network.services_range", network.services_range, rule, "Name another range")
    if network.fabric is not None and network.fabric.overlaps(region.network):
        rule = f"it overlaps {region.network}, the network of the region"
        yield problem(f"{path}.network.fabric", str(network.fabric), rule, "Use addresses that nothing else has")


def _check_azure(path: str, existing: ExistingAzure, accounts: Accounts | None) -> Iterator[Problem]:
    network, ids = existing.network, {"container": existing.container, "registry": existing.registry}
    ids["key_id"] = existing.key_id
    names: dict[str, str] = {}
    if network is not None:
        ids |= {"network.vnet_id": network.vnet_id, "network.private_dns_group": network.private_dns_group}
        names = {
            "nodes_subnet": network.nodes_subnet,
            "api_server_subnet": network.api_server_subnet or "",
            "endpoints_subnet": network.endpoints_subnet,
        }
    owners: dict[str, str] = {}
    for key, name in names.items():
        if owners.setdefault(name, key) != key:
            rule = f"{owners[name]} is this subnet too, and each use needs a subnet of its own"
            yield problem(f"{path}.network.{key}", name, rule, "Name another one")
    subscription = accounts.azure_subscription_id if accounts else None
    for key, id_ in ids.items():
        yield from check_subscription(f"{path}.{key}", id_, subscription)


def _check_shared(path: str, region: Region, used: dict[str, str]) -> Iterator[Problem]:
    """Report a subnet that two regions name."""
    subnets: dict[str, str] = {}
    if region.existing.aws is not None and region.existing.aws.network is not None:
        network = region.existing.aws.network
        subnets |= {f"aws.network.private_subnets.{zone}": id_ for zone, id_ in network.private_subnets.items()}
        subnets |= {f"aws.network.public_subnets.{zone}": id_ for zone, id_ in network.public_subnets.items()}
    if region.existing.gcp is not None and region.existing.gcp.network is not None:
        subnets["gcp.network.subnet"] = region.existing.gcp.network.subnet
    for key, subnet in subnets.items():
        if used.setdefault(subnet, region.name) != region.name:
            rule = f"{used[subnet]} has this subnet, and a subnet is in one region"
            yield problem(f"{path}.{key}", subnet, rule, "Name another one")
