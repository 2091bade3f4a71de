"""One name for load balancers that exist already, on Amazon, Google and Azure. Route 53 answers."""

import pulumi
from novacron_infra.config import HealthCheck, Platform, Region, Traffic
from novacron_infra.dns import AddressKind, EndpointRegion, GlobalEndpoint, GlobalEndpointArgs, Probe, Route53

config = pulumi.Config()

endpoint = GlobalEndpoint(
    "api",
    GlobalEndpointArgs(
        traffic=Traffic(
            domain=config.require("domain"),
            # A dead region keeps its traffic for two minutes at most, or the preview refuses.
            rto_target_s=120,
            health_check=HealthCheck(interval_s=10, failure_threshold=3),
        ),
        regions=(
            EndpointRegion(
                region=Region(name="us-west-2", dns_label="us", weight=2),
                platform=Platform.AWS,
                address=config.require("amazon"),
                address_kind=AddressKind.HOSTNAME,
            ),
            EndpointRegion(
                region=Region(name="europe-west4", dns_label="eu", weight=1),
                platform=Platform.GCP,
                address=config.require("google"),
                address_kind=AddressKind.IPV4,
                nearest="eu-west-1",
            ),
            EndpointRegion(
                region=Region(name="southeastasia", dns_label="asia", weight=1),
                platform=Platform.AZURE,
                address=config.require("azure"),
                address_kind=AddressKind.IPV4,
                nearest="ap-southeast-1",
            ),
        ),
        service=Route53(zone_name=config.require("zone"), zone_id=config.require("zone_id")),
        probe=Probe(path="/ready"),
    ),
)

pulumi.export("domain", endpoint.domain)
pulumi.export("regional_names", endpoint.regional_names)
pulumi.export("rto_s", endpoint.rto_s)
