"""The definitions of the Gateway API, from the chart of Envoy Gateway that contains nothing else.

The Gateway API project publishes manifests and no chart.
"""

from __future__ import annotations

from dataclasses import dataclass

from novacron_infra.workloads.add_ons.charts import Chart, Release, Values, key
from novacron_infra.workloads.add_ons.common_values import Switch

RELEASE = "gateway-api"
CHART = Chart(
    repository="oci://docker.io/envoyproxy",
    name="gateway-crds-helm",
    version="v1.9.1",
    as_of="2026-11-30",
    source="Go module github.com/envoyproxy/gateway",
)


@dataclass(frozen=True, kw_only=True)
class GatewayApi(Values):
    """The definitions of the Gateway API."""

    enabled: bool = True
    channel: str = "standard"


@dataclass(frozen=True, kw_only=True)
class Definitions(Values):
    """The definitions to create."""

    gateway_api: GatewayApi = key("gatewayAPI", GatewayApi())
    envoy_gateway: Switch = Switch(enabled=False)


@dataclass(frozen=True, kw_only=True)
class GatewayApiValues(Values):
    """The values that this project sets."""

    crds: Definitions = Definitions()


def describe_release() -> Release:
    """Return the release. Its namespace holds nothing but Helm's record: definitions have none."""
    return Release(name=RELEASE, namespace="kube-system", chart=CHART, values=GatewayApiValues())
