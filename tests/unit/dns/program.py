"""Endpoints as examples need them, and what a program that makes one registers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
from novacron_infra.config import HealthCheck, Platform, Traffic, TrafficRegion
from novacron_infra.dns import (
    AddressKind,
    CloudDns,
    EndpointRegion,
    GlobalEndpoint,
    GlobalEndpointArgs,
    Probe,
    Route53,
    TrafficManager,
)
from novacron_infra.dns.args import DnsService
from novacron_infra.tags import Tags
from pulumi.runtime import mocks, settings

WEIGHTS = {"us-west": 40, "us-east": 30, "eu": 20, "ap": 10}
PLACES = {
    Platform.AWS: {"us-west": "us-west-2", "us-east": "us-east-1", "eu": "eu-west-1", "ap": "ap-southeast-1"},
    Platform.GCP: {"us-west": "us-west1", "us-east": "us-east1", "eu": "europe-west1", "ap": "asia-southeast1"},
    Platform.AZURE: {"us-west": "westus2", "us-east": "eastus", "eu": "westeurope", "ap": "southeastasia"},
}
ADDRESSES = {"us-west": "192.0.2.1", "us-east": "192.0.2.2", "eu": "192.0.2.3", "ap": "192.0.2.4"}
NEAR_US_WEST = ("us-west", "us-east", "ap", "eu")
"""The regions from a client in California, nearest first."""

ACCOUNT = "123456789012"
ROUTE_53 = Route53(zone_name="novacron.ai")
SWITCHED = Route53(zone_name="novacron.ai", drain_switch=True)
CLOUD_DNS = CloudDns(zone_name="novacron.ai")
TRAFFIC_MANAGER = TrafficManager(
    zone_name="novacron.ai", resource_group_name="novacron-dns", relative_name="novacron-prod"
)


def region(label: str, platform: Platform, weight: int | None = None, **given: Any) -> EndpointRegion:
    """A region of the example, in the cloud of `platform`."""
    name = PLACES[platform][label]
    shown = TrafficRegion(name=name, dns_label=label, weight=WEIGHTS[label] if weight is None else weight)
    return EndpointRegion(
        **{
            "region": shown,
            "platform": platform,
            "address": ADDRESSES[label],
            "address_kind": AddressKind.IPV4,
            **given,
        }
    )


def endpoint(service: DnsService = ROUTE_53, **given: Any) -> GlobalEndpointArgs:
    """Prod's four regions; `weights` for other ones, `traffic` and `check` for parts of the configuration."""
    weights = given.pop("weights", WEIGHTS)
    check = HealthCheck(**given.pop("check", {}))
    traffic = Traffic(**{"domain": "api.novacron.ai", "health_check": check, **given.pop("traffic", {})})
    tags = Tags(environment="prod")
    args = GlobalEndpointArgs(traffic=traffic, regions=(), service=service, probe=Probe(path="/ready"), tags=tags)
    regions = tuple(region(label, service.platform, weight) for label, weight in weights.items())
    return replace(args, **{"regions": regions, **given})


@dataclass
class Resource:
    """A resource as the provider gets it."""

    type: str
    name: str
    inputs: dict[str, Any]


@dataclass
class Deployment(mocks.Mocks):
    """Resources that a program registered, and its outputs."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    protected: set[str] = field(default_factory=set)
    parents: dict[str, str] = field(default_factory=dict)
    invokes: list[str] = field(default_factory=list)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if not args.custom:
            return None, args.inputs
        self.resources.append(Resource(args.typ, args.name, args.inputs))
        made: dict[str, Any] = {"arn": f"arn:{args.name}", "zoneId": f"id:{args.name}", "nameServers": ["ns1.example."]}
        if args.typ == "aws:route53/keySigningKey:KeySigningKey":
            made["dsRecord"] = "12345 13 2 ABCDEF"
        if args.typ == "azure-native:dns:DnssecConfig":
            made = {"signingKeys": [{"delegationSignerInfo": [{"record": "12345 13 2 ABCDEF"}]}]}
        if args.typ == "aws:route53recoverycontrol/cluster:Cluster":
            made = {**made, "clusterEndpoints": [{"endpoint": f"https://{n}.example", "region": n} for n in "abcde"]}
        return f"id:{args.name}", {"name": args.name, **args.inputs, **made}

    def call(self, args: mocks.MockCallArgs) -> dict[Any, Any]:
        # Asked for a signed zone only: its key's policy names the account.
        results: dict[str, dict[Any, Any]] = {
            "aws:index/getPartition:getPartition": {"partition": "aws"},
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
        }
        self.invokes.append(args.token)
        return results[args.token]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Inputs of the resources whose type ends in `kind`, by name."""
        return {item.name: item.inputs for item in self.resources if item.type.endswith(f":{kind}")}


class _Monitor(mocks.MockMonitor):
    """Keep the options of resources as well, which mocks do not get."""

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        made = self.mocks
        assert isinstance(made, Deployment)
        made.parents[request.name] = request.parent.split("::")[-1]
        if request.protect:
            made.protected.add(request.name)
        return super().RegisterResource(request)


def deploy(args: GlobalEndpointArgs | Callable[[], GlobalEndpointArgs]) -> Deployment:
    """Runs a program that has one endpoint, `global`; outputs can only be made while it runs."""
    made = Deployment()
    mocks.set_mocks(made, project="novacron", stack="prod", monitor=_Monitor(made))

    def program() -> pulumi.Output[Any]:
        component = GlobalEndpoint("global", args() if callable(args) else args)
        outputs = {name: getattr(component, name) for name in GlobalEndpoint.__annotations__}
        return pulumi.Output.all(**outputs).apply(made.outputs.update)

    try:
        pulumi.runtime.test(program)()
    finally:
        settings.reset_options()
    return made
