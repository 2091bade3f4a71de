"""Every planned resource against the cloud's own description of its API.

Covered with all their properties: Route 53 and ARC (botocore's models), Cloud DNS and its health check (Google Cloud
discovery documents), Traffic Manager (azure-mgmt-trafficmanager's models). Not covered: Azure DNS zones and records.
"""

from __future__ import annotations

import functools
import json
import re
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from azure.mgmt.trafficmanager import models
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator
from googleapiclient import discovery_cache
from novacron_infra.dns import CloudDns, CloudDnsRouting, Probe, ProbeProtocol, Route53

from tests.unit.dns.program import CLOUD_DNS, SWITCHED, TRAFFIC_MANAGER, deploy, endpoint

APEX = Route53(zone_name="api.novacron.ai")
GEO = CloudDns(zone_name="novacron.ai", routing=CloudDnsRouting.GEO)
TCP = Probe(protocol=ProbeProtocol.TCP, port=443)
HTTP = Probe(protocol=ProbeProtocol.HTTP, port=80, path="/ready")
STANDBY = {"us-west": 60, "us-east": 40, "eu": 0}


def plain(value: Any) -> Any:
    """Whole numbers as such: the protocol has floats only."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


# AWS: the call that each resource becomes, from botocore's models.


def aws_calls(kind: str, given: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Service, operation and parameters. Takes what it uses out of `given`."""
    take = given.pop
    match kind.rsplit(":", 1)[-1]:
        case "Zone":
            yield tagging("hostedzone", take("tags"))
            config = {"Comment": take("comment")}
            yield (
                "route53",
                "CreateHostedZone",
                {"Name": take("name"), "CallerReference": "x", "HostedZoneConfig": config},
            )
        case "Record":
            record: dict[str, Any] = {"Name": take("name"), "Type": take("type")}
            optional = {"setIdentifier": "SetIdentifier", "ttl": "TTL", "healthCheckId": "HealthCheckId"}
            record |= {optional[key]: take(key) for key in list(given) if key in optional}
            policies = {
                "weightedRoutingPolicies": ("Weight", "weight"),
                "latencyRoutingPolicies": ("Region", "region"),
                "failoverRoutingPolicies": ("Failover", "type"),
            }
            for key in [key for key in given if key in policies]:
                (policy,) = take(key)
                record[policies[key][0]] = policy.pop(policies[key][1])
                assert policy == {}
            if "records" in given:
                record["ResourceRecords"] = [{"Value": value} for value in take("records")]
            for alias in take("aliases", []):
                target = {"zoneId": "HostedZoneId", "name": "DNSName", "evaluateTargetHealth": "EvaluateTargetHealth"}
                record["AliasTarget"] = {target[key]: value for key, value in alias.items()}
            batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
            yield "route53", "ChangeResourceRecordSets", {"HostedZoneId": take("zoneId"), "ChangeBatch": batch}
        case "HealthCheck":
            yield tagging("healthcheck", take("tags"))
            names = {
                "type": "Type",
                "fqdn": "FullyQualifiedDomainName",
                "port": "Port",
                "resourcePath": "ResourcePath",
                "requestInterval": "RequestInterval",
                "failureThreshold": "FailureThreshold",
                "enableSni": "EnableSNI",
                "childHealthchecks": "ChildHealthChecks",
                "childHealthThreshold": "HealthThreshold",
                "routingControlArn": "RoutingControlArn",
            }
            config = {names[key]: take(key) for key in list(given)}
            yield "route53", "CreateHealthCheck", {"CallerReference": "x", "HealthCheckConfig": config}
        case "Cluster":
            yield (
                "route53-recovery-control-config",
                "CreateCluster",
                {"ClusterName": take("name"), "Tags": take("tags")},
            )
        case "ControlPanel":
            params = {"ControlPanelName": take("name"), "ClusterArn": take("clusterArn")}
            yield "route53-recovery-control-config", "CreateControlPanel", params
        case "RoutingControl":
            params = {
                "RoutingControlName": take("name"),
                "ClusterArn": take("clusterArn"),
                "ControlPanelArn": take("controlPanelArn"),
            }
            yield "route53-recovery-control-config", "CreateRoutingControl", params
        case "SafetyRule":
            config = {key.capitalize(): value for key, value in take("ruleConfig").items()}
            names = {
                "name": "Name",
                "controlPanelArn": "ControlPanelArn",
                "assertedControls": "AssertedControls",
                "waitPeriodMs": "WaitPeriodMs",
            }
            rule = {names[key]: take(key) for key in list(given)}
            yield (
                "route53-recovery-control-config",
                "CreateSafetyRule",
                {"AssertionRule": {**rule, "RuleConfig": config}},
            )
        case other:
            raise AssertionError(f"{other}: no call is known")


def tagging(kind: str, tags: dict[str, str]) -> tuple[str, str, dict[str, Any]]:
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    return "route53", "ChangeTagsForResource", {"ResourceType": kind, "ResourceId": "x", "AddTags": pairs}


@functools.cache
def aws_model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def aws_violations(shape: Shape, value: Any, path: str = "") -> Iterator[str]:
    """Return violations that botocore's validator does not check: enums, lengths, ranges and patterns."""
    if isinstance(shape, StructureShape):
        for key, item in value.items():
            yield from aws_violations(shape.members[key], item, f"{path}.{key}")
    elif isinstance(shape, ListShape):
        for item in value:
            yield from aws_violations(shape.member, item, f"{path}[]")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from aws_violations(shape.key, key, f"{path}.{key}")
            yield from aws_violations(shape.value, item, f"{path}.{key}")
    else:
        enum, limits = getattr(shape, "enum", None), shape.metadata
        if enum and value not in enum:
            yield f"{path} = {value}: not one of {enum}"
        size = len(value) if isinstance(value, str) else value
        if not limits.get("min", size) <= size <= limits.get("max", size):
            yield f"{path} = {value}: outside {limits.get('min')} to {limits.get('max')}"
        if "pattern" in limits and not re.search(limits["pattern"], value):
            yield f"{path} = {value}: not {limits['pattern']}"


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="prod"),
        pytest.param({"service": SWITCHED}, id="switched"),
        pytest.param({"service": APEX}, id="apex"),
        pytest.param({"weights": STANDBY}, id="standby"),
        pytest.param({"probe": TCP}, id="tcp"),
        pytest.param({"probe": HTTP, "check": {"interval_s": 10}}, id="http"),
    ],
)
def test_aws_accepts_every_resource(given: dict[str, Any]) -> None:
    made = deploy(endpoint(**given))
    for item in made.resources:
        inputs = plain(item.inputs)
        for service, operation, params in aws_calls(item.type, inputs):
            shape = aws_model(service).operation_model(operation).input_shape
            report = ParamValidator().validate(params, shape)
            assert not report.has_errors(), f"{item.name}: {report.generate_report()}"
            assert list(aws_violations(shape, params)) == [], item.name
        assert inputs == {}, f"{item.name}: not covered"


def test_the_check_of_aws_sees_faults() -> None:
    config = {"Type": "HTTPZ", "FailureThreshold": 11, "ChildHealthChecks": []}
    shape = aws_model("route53").operation_model("CreateHealthCheck").input_shape
    params = {"CallerReference": "x", "HealthCheckConfig": config}
    assert [found.split(" ")[0] for found in aws_violations(shape, params)] == [
        ".HealthCheckConfig.Type",
        ".HealthCheckConfig.FailureThreshold",
    ]


# Google Cloud: the discovery documents.


@functools.cache
def google(api: str) -> dict[str, Any]:
    folder = Path(discovery_cache.__file__).parent / "documents"
    return json.loads((folder / f"{api}.json").read_text())["schemas"]


_GOOGLE_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int),
    "number": lambda value: isinstance(value, (int, float)),
    "boolean": lambda value: isinstance(value, bool),
}


def google_violations(api: str, schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    schema = google(api)[schema["$ref"]] if "$ref" in schema else schema
    if schema["type"] == "object":
        for key, item in value.items():
            if "properties" not in schema:
                yield from google_violations(api, schema["additionalProperties"], item, f"{path}.{key}")
            elif key not in schema["properties"]:
                yield f"{path}.{key}: no such property"
            else:
                yield from google_violations(api, schema["properties"][key], item, f"{path}.{key}")
    elif schema["type"] == "array":
        for item in value:
            yield from google_violations(api, schema["items"], item, f"{path}[]")
    elif not _GOOGLE_TYPES[schema["type"]](value):
        yield f"{path} = {value!r}: not {schema['type']}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{path} = {value}: not one of {schema['enum']}"


def google_body(kind: str, given: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """API, schema and body. The provider's lists of policies are `items` in the API."""
    match kind.rsplit(":", 1)[-1]:
        case "RecordSet":
            given.pop("managedZone")  # in the URL
            policy = given.get("routingPolicy", {})
            for ours, theirs in (("wrrs", "wrr"), ("geos", "geo")):
                if ours in policy:
                    policy[theirs] = {"items": policy.pop(ours)}
            return "dns.v1", "ResourceRecordSet", given
        case "ManagedZone":
            return "dns.v1", "ManagedZone", given
        case "HealthCheck":
            return "compute.v1", "HealthCheck", given
        case other:
            raise AssertionError(f"{other}: no schema is known")


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"service": CLOUD_DNS}, id="weighted"),
        pytest.param({"service": GEO}, id="geo"),
        pytest.param({"service": CLOUD_DNS, "probe": TCP}, id="tcp"),
        pytest.param({"service": CLOUD_DNS, "probe": HTTP, "check": {"timeout_s": 10}}, id="http"),
    ],
)
def test_google_accepts_every_resource(given: dict[str, Any]) -> None:
    for item in deploy(endpoint(**given)).resources:
        api, schema, body = google_body(item.type, plain(item.inputs))
        assert list(google_violations(api, {"$ref": schema}, body, schema)) == [], item.name


def test_the_check_of_google_sees_faults() -> None:
    body = {"ttl": "60", "routingPolicy": {"wrr": {"items": [{"wait": 1}]}}, "type": "A"}
    assert list(google_violations("dns.v1", {"$ref": "ResourceRecordSet"}, body, "")) == [
        ".ttl = '60': not integer",
        ".routingPolicy.wrr.items[].wait: no such property",
    ]


# Azure: the models of azure-mgmt-trafficmanager.


def azure_violations(model: type[Any], value: dict[str, Any], path: str) -> Iterator[str]:
    model({})  # the first instance gives the fields their names
    hints = typing.get_type_hints(model, localns={"_models": models})
    fields = {
        field._rest_name: hints[name]
        for base in model.__mro__
        for name, field in vars(base).items()
        if hasattr(field, "_rest_name") and name in hints
    }
    for key, item in value.items():
        if key not in fields:
            yield f"{path}.{key}: no such property"
        else:
            yield from azure_value(fields[key], item, f"{path}.{key}")


def azure_value(hint: Any, value: Any, path: str) -> Iterator[str]:
    options = [item for item in typing.get_args(hint) if item is not types.NoneType]
    if typing.get_origin(hint) is list:
        for item in value:
            yield from azure_value(options[0], item, f"{path}[]")
        return
    if typing.get_origin(hint) is dict:
        for key, item in value.items():
            yield from azure_value(options[1], item, f"{path}.{key}")
        return
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        enums = [item for item in options if isinstance(item, type) and issubclass(item, Enum)]
        # "An enum or a string" means one of the enum's values.
        hint = enums[0] if enums else options[0]
        yield from azure_value(hint, value, path)
    elif hasattr(hint, "_is_model"):
        yield from azure_violations(hint, value, path)
    elif issubclass(hint, Enum):
        if value not in [item.value for item in hint]:
            yield f"{path} = {value}: not one of {[item.value for item in hint]}"
    elif not isinstance(value, hint):
        yield f"{path} = {value!r}: not {hint.__name__}"


def azure_body(inputs: dict[str, Any]) -> dict[str, Any]:
    """The request's body: what the provider has flattened is under `properties`."""
    properties = {key: value for key, value in inputs.items() if key not in ("profileName", "resourceGroupName")}
    outer = {key: properties.pop(key) for key in ("location", "tags")}
    properties["endpoints"] = [
        {"name": item.pop("name"), "type": item.pop("type"), "properties": item} for item in properties["endpoints"]
    ]
    return {**outer, "properties": properties}


@pytest.mark.parametrize(
    "weights", [{"us-west": 40, "us-east": 30, "eu": 20, "ap": 10}, STANDBY], ids=["prod", "standby"]
)
def test_azure_accepts_every_profile(weights: dict[str, int]) -> None:
    profiles = deploy(endpoint(TRAFFIC_MANAGER, weights=weights)).of("Profile")
    assert profiles
    for name, inputs in profiles.items():
        assert list(azure_violations(models.Profile, azure_body(plain(inputs)), "")) == [], name


def test_the_check_of_azure_sees_faults() -> None:
    endpoints = [{"name": "a", "properties": {"weight": "3", "alwaysServe": "Sometimes", "wait": 1}}]
    assert [
        found.split(" ")[0] for found in azure_violations(models.Profile, {"properties": {"endpoints": endpoints}}, "")
    ] == [
        ".properties.endpoints[].properties.weight",
        ".properties.endpoints[].properties.alwaysServe",
        ".properties.endpoints[].properties.wait:",
    ]
