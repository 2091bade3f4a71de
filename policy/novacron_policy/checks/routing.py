"""Health checks of DNS records that share traffic."""

from __future__ import annotations

from collections.abc import Iterator

from novacron_policy.properties import UNKNOWN, Value, describe_unknown, get, list_items

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


def check_health_check_on_routed_record(resource_type: str, properties: Value) -> Iterator[str]:
    """A DNS record that takes part in routing has a health check. Without one it always counts as healthy."""
    if resource_type == "aws:route53/record:Record":
        yield from _check_route53(properties)
    elif resource_type == "gcp:dns/recordSet:RecordSet":
        yield from _check_cloud_dns(get(properties, "routingPolicy"))
    elif resource_type == "azure-native:trafficmanager:Endpoint":
        yield from _check_always_serve(properties)
    elif resource_type == "azure-native:trafficmanager:Profile":
        protocol, path = get(properties, "monitorConfig.protocol"), get(properties, "monitorConfig.path")
        if protocol is UNKNOWN:
            yield describe_unknown("monitorConfig.protocol")
        elif not protocol or (protocol != "TCP" and not path):
            yield "monitorConfig lacks a protocol or, for HTTP and HTTPS, a path. Add what the probes request"
        for endpoint in list_items(get(properties, "endpoints")):
            yield from _check_always_serve(endpoint)


def _check_route53(properties: Value) -> Iterator[str]:
    policies = {name: get(properties, name) for name in _ROUTE53_POLICIES}
    routed = [name for name, value in policies.items() if value]
    if not routed or get(properties, "healthCheckId"):
        return
    # An alias is as healthy as its target, if it evaluates the health of the target.
    evaluated = [get(alias, "evaluateTargetHealth") for alias in list_items(get(properties, "aliases"))]
    if True in evaluated:
        return
    if UNKNOWN in evaluated:
        yield describe_unknown("aliases[].evaluateTargetHealth")
    elif all(policies[name] is UNKNOWN for name in routed):
        yield describe_unknown(routed[0])
    else:
        yield f"{routed[0]} without healthCheckId: {_SERVED_DEAD}. Add a health check"


def _check_cloud_dns(policy: Value) -> Iterator[str]:
    if policy is UNKNOWN:
        yield describe_unknown("routingPolicy")
        return
    targets = [
        (f"{path}[].healthCheckedTargets", get(item, "healthCheckedTargets"))
        for path in ("wrrs", "geos", "primaryBackup.backupGeos")
        for item in list_items(get(policy, path))
    ]
    if get(policy, "primaryBackup") is not None:
        targets.append(("primaryBackup.primary", get(policy, "primaryBackup.primary")))
    for path, target in targets:
        # Internal load balancers report their health themselves; other endpoints need a health check.
        endpoints = get(target, "externalEndpoints")
        if endpoints is UNKNOWN:
            yield describe_unknown(f"routingPolicy.{path}")
        elif not target:
            yield f"routingPolicy without {path}: {_SERVED_DEAD}. Add the targets"
        elif endpoints and not get(policy, "healthCheck"):
            yield f"routingPolicy.{path} without routingPolicy.healthCheck: {_SERVED_DEAD}. Add the health check"


def _check_always_serve(endpoint: Value) -> Iterator[str]:
    always = get(endpoint, "alwaysServe")
    if always is UNKNOWN:
        yield describe_unknown("alwaysServe")
    elif always == "Enabled":
        yield "alwaysServe turns off the probes of the endpoint. Remove it"
