"""One domain name for existing load balancers on AWS, Google Cloud and Azure, served by Route 53."""

import pulumi
from novacron_infra import HealthCheck, Platform, Traffic, TrafficRegion
from novacron_infra.dns import AddressKind, EndpointRegion, GlobalEndpoint, GlobalEndpointArgs, Probe, Route53

config = pulumi.Config()

endpoint = GlobalEndpoint(
    "api",
    GlobalEndpointArgs(
        traffic=Traffic(
            domain=config.require("domain"),
            # The preview fails when a dead region would keep its traffic for more than two minutes.
            rto_target_s=120,
            health_check=HealthCheck(interval_s=10, failure_threshold=3),
        ),
        regions=(
            EndpointRegion(
                region=TrafficRegion(name="us-west-2", dns_label="us", weight=2),
                platform=Platform.AWS,
                address=config.require("amazon"),
                address_kind=AddressKind.HOSTNAME,
            ),
            EndpointRegion(
                region=TrafficRegion(name="europe-west4", dns_label="eu", weight=1),
                platform=Platform.GCP,
                address=config.require("google"),
                address_kind=AddressKind.IPV4,
                nearest="eu-west-1",
            ),
            EndpointRegion(
                region=TrafficRegion(name="southeastasia", dns_label="asia", weight=1),
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
