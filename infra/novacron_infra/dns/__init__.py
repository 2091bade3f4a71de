"""Global DNS: one name for regions in any of the clouds. No cloud's SDK is loaded until its service is used."""

from novacron_infra.dns.args import (
    AddressKind,
    CloudDns,
    CloudDnsRouting,
    DnsService,
    EndpointRegion,
    GlobalEndpointArgs,
    Probe,
    ProbeProtocol,
    Route53,
    TrafficManager,
)
from novacron_infra.dns.endpoint import GlobalEndpoint

__all__ = [
    "AddressKind",
    "CloudDns",
    "CloudDnsRouting",
    "DnsService",
    "EndpointRegion",
    "GlobalEndpoint",
    "GlobalEndpointArgs",
    "Probe",
    "ProbeProtocol",
    "Route53",
    "TrafficManager",
]
