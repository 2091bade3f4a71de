"""The answers that clients get, computed from registered resources and the services' documented health rules.

Nothing here knows how the endpoint was built. Shares are of one client's queries over time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from tests.unit.dns.program import ADDRESSES, PLACES, Deployment

Shares = dict[str, Fraction]
REGIONS = {address: label for label, address in ADDRESSES.items()}
LABELS = {place: label for places in PLACES.values() for label, place in places.items()}
DOMAIN = "api.novacron.ai"


def route53(made: Deployment, near: Sequence[str], dead: Sequence[str] = (), off: Sequence[str] = ()) -> Shares:
    """Route 53: an alias is as healthy as the best of its targets; of a set that is all unhealthy, all are served."""
    records = list(made.of("Record").values())
    checks = {f"id:{name}": inputs for name, inputs in made.of("HealthCheck").items()}
    switches = {f"arn:{name}": inputs["name"] for name, inputs in made.of("RoutingControl").items()}

    def passes(check: Mapping[str, Any]) -> bool:
        if check["type"] == "CALCULATED":
            return sum(passes(checks[item]) for item in check["childHealthchecks"]) >= check["childHealthThreshold"]
        if check["type"] == "RECOVERY_CONTROL":
            return switches[check["routingControlArn"]] not in off
        return check["fqdn"].split(".")[0] not in dead

    def healthy(record: Mapping[str, Any]) -> bool:
        if "healthCheckId" in record:
            return passes(checks[record["healthCheckId"]])
        if "aliases" in record:
            (alias,) = record["aliases"]
            return not alias["evaluateTargetHealth"] or any(map(healthy, named(alias["name"])))
        return True

    def named(name: str) -> list[dict[str, Any]]:
        return [item for item in records if item["name"] == name]

    def answer(name: str) -> Shares:
        found = named(name)
        chosen = _choose_route53(found, [item for item in found if healthy(item)], near)
        return _mix([(share, follow(record)) for share, record in chosen])

    def follow(record: Mapping[str, Any]) -> Shares:
        if "aliases" in record:
            return answer(record["aliases"][0]["name"])
        (value,) = record["records"]
        return answer(value) if record["type"] == "CNAME" else {REGIONS[value]: Fraction(1)}

    return answer(DOMAIN)


def _choose_route53(
    found: Sequence[dict[str, Any]], healthy: Sequence[dict[str, Any]], near: Sequence[str]
) -> list[tuple[Fraction, dict[str, Any]]]:
    if "failoverRoutingPolicies" in found[0]:
        by_role = {item["failoverRoutingPolicies"][0]["type"]: item for item in found}
        second = by_role.get("SECONDARY")
        use_second = by_role["PRIMARY"] not in healthy and second in healthy
        return [(Fraction(1), second if second and use_second else by_role["PRIMARY"])]
    candidates = healthy or found
    if "latencyRoutingPolicies" in found[0]:
        places = {LABELS[item["latencyRoutingPolicies"][0]["region"]]: item for item in candidates}
        return [(Fraction(1), next(places[label] for label in near if label in places))]
    if "weightedRoutingPolicies" in found[0]:
        weights = [int(item["weightedRoutingPolicies"][0]["weight"]) for item in candidates]
        if not any(weights):
            weights = [1] * len(candidates)
        return [(Fraction(w, sum(weights)), item) for w, item in zip(weights, candidates, strict=True) if w]
    (only,) = found
    return [(Fraction(1), only)]


def cloud_dns(made: Deployment, near: Sequence[str], dead: Sequence[str] = ()) -> Shares:
    """Cloud DNS: shares among the healthy, or the nearest of them; all when none is."""
    policy = made.of("RecordSet")["global-cloud-dns-domain"]["routingPolicy"]
    items = policy.get("wrrs") or policy["geos"]
    regions = {REGIONS[item["healthCheckedTargets"]["externalEndpoints"][0]]: item for item in items}
    alive = {label: item for label, item in regions.items() if label not in dead} or regions
    if "geos" in policy:
        return {next(label for label in near if label in alive): Fraction(1)}
    whole = sum(int(item["weight"]) for item in alive.values())
    return {label: Fraction(int(item["weight"]), whole) for label, item in alive.items()}


def traffic_manager(made: Deployment, near: Sequence[str], dead: Sequence[str] = ()) -> Shares:
    """Traffic Manager: a nested profile is online with `minChildEndpoints` online; all count when none is."""
    profiles = {f"id:{name}": inputs for name, inputs in made.of("Profile").items()}

    def online(item: Mapping[str, Any]) -> bool:
        if "target" in item:
            return item["target"].split(".")[0] not in dead
        return sum(map(online, profiles[item["targetResourceId"]]["endpoints"])) >= item["minChildEndpoints"]

    def answer(profile: Mapping[str, Any]) -> Shares:
        items = [item for item in profile["endpoints"] if online(item)] or profile["endpoints"]
        match profile["trafficRoutingMethod"]:
            case "Performance":
                places = {LABELS[item["endpointLocation"]]: item for item in items}
                return follow(next(places[label] for label in near if label in places))
            case "Priority":
                return follow(min(items, key=lambda item: item["priority"]))
            case _:
                whole = sum(int(item["weight"]) for item in items)
                return _mix([(Fraction(int(item["weight"]), whole), follow(item)) for item in items])

    def follow(item: Mapping[str, Any]) -> Shares:
        if "target" in item:
            return {item["target"].removesuffix(f".{DOMAIN}"): Fraction(1)}
        return answer(profiles[item["targetResourceId"]])

    (alias,) = [
        item["cnameRecord"]["cname"]
        for item in made.of("RecordSet").values()
        if f"{item['relativeRecordSetName']}.novacron.ai" == DOMAIN
    ]
    (first,) = [
        item for item in profiles.values() if f"{item['dnsConfig']['relativeName']}.trafficmanager.net" == alias
    ]
    return answer(first)


def _mix(parts: Sequence[tuple[Fraction, Shares]]) -> Shares:
    mixed: Counter[str] = Counter()
    for share, answers in parts:
        for label, part in answers.items():
            mixed[label] += share * part  # pyright: ignore[reportArgumentType]
    return {label: Fraction(part) for label, part in mixed.items()}


Resolver = Callable[..., Shares]
