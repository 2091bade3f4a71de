"""DNS records that share traffic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from novacron_policy.properties import UNKNOWN, get, items, unknown

_ROUTE53_POLICIES = (
    "weightedRoutingPolicies",
    "latencyRoutingPolicies",
    "failoverRoutingPolicies",
    "geolocationRoutingPolicies",
    "geoproximityRoutingPolicy",
    "cidrRoutingPolicy",
    "multivalueAnswerRoutingPolicy",
)
_SERVED_DEAD = "the record is served even when its region is dead"


def health_check_on_routed_record(resource_type: str, properties: Any) -> Iterator[str]:
    """A record that takes part in routing has a health check; without one it counts as healthy for ever."""
    if resource_type == "aws:route53/record:Record":
        yield from _route53(properties)
    elif resource_type == "gcp:dns/recordSet:RecordSet":
        yield from _cloud_dns(get(properties, "routingPolicy"))
    elif resource_type == "azure-native:trafficmanager:Endpoint":
        yield from _always_serve(properties)
    elif resource_type == "azure-native:trafficmanager:Profile":
        protocol, path = get(properties, "monitorConfig.protocol"), get(properties, "monitorConfig.path")
        if protocol is UNKNOWN:
            yield unknown("monitorConfig.protocol")
        elif not protocol or (protocol != "TCP" and not path):
            yield "monitorConfig needs a protocol and, for HTTP and HTTPS, a path to probe"
        for endpoint in items(get(properties, "endpoints")):
            yield from _always_serve(endpoint)


def _route53(properties: Any) -> Iterator[str]:
    policies = {name: get(properties, name) for name in _ROUTE53_POLICIES}
    routed = [name for name, value in policies.items() if value]
    if not routed or get(properties, "healthCheckId"):
        return
    # An alias is as healthy as its target, if it is told to ask.
    asks = [get(alias, "evaluateTargetHealth") for alias in items(get(properties, "aliases"))]
    if True in asks:
        return
    if UNKNOWN in asks:
        yield unknown("aliases[].evaluateTargetHealth")
    elif all(policies[name] is UNKNOWN for name in routed):
        yield unknown(routed[0])
    else:
        yield f"{routed[0]} without healthCheckId: {_SERVED_DEAD}"


def _cloud_dns(policy: Any) -> Iterator[str]:
    if policy is UNKNOWN:
        yield unknown("routingPolicy")
        return
    targets = [
        (f"{path}[].healthCheckedTargets", get(item, "healthCheckedTargets"))
        for path in ("wrrs", "geos", "primaryBackup.backupGeos")
        for item in items(get(policy, path))
    ]
    if get(policy, "primaryBackup") is not None:
        targets.append(("primaryBackup.primary", get(policy, "primaryBackup.primary")))
    for path, target in targets:
        # Internal load balancers know how healthy they are; other endpoints need someone who asks.
        endpoints = get(target, "externalEndpoints")
        if endpoints is UNKNOWN:
            yield unknown(f"routingPolicy.{path}")
        elif not target:
            yield f"routingPolicy without {path}: {_SERVED_DEAD}"
        elif endpoints and not get(policy, "healthCheck"):
            yield f"routingPolicy.{path} without routingPolicy.healthCheck: {_SERVED_DEAD}"


def _always_serve(endpoint: Any) -> Iterator[str]:
    always = get(endpoint, "alwaysServe")
    if always is UNKNOWN:
        yield unknown("alwaysServe")
    elif always == "Enabled":
        yield "alwaysServe switches the endpoint's probes off; leave it out"
