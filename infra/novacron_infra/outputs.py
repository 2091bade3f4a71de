"""The stack outputs of a deployed environment, as types for programs that read them.

`EnvironmentOutputs.model_validate` reads the values of `pulumi stack output --json --show-secrets` or of a stack
reference. `python -m novacron_infra.outputs` prints the documentation page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from novacron_infra.config import Platform

ModelStoreUrl = Annotated[str, Field(pattern=r"^(s3|gs|az|efs|nfs)://[^/]+(/[^/]+)*$")]


class _Outputs(BaseModel):
    """Immutable, and without outputs that are not described here."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class _RegionOutputs(_Outputs):
    """Outputs that a region has in every cloud."""

    cluster: str
    """Name of the Kubernetes cluster."""
    kubeconfig: str
    """Kubeconfig for the administrators. It holds no credentials and signs in with the cloud's own command."""
    ingress_address: str
    """Host name (AWS) or IPv4 address of the region's load balancer."""
    model_store: ModelStoreUrl
    """URL of the models, with their prefix.

    `worker_identity` reads `s3://bucket/models`, `gs://bucket/models` and
    `az://container@account.blob.core.windows.net/models`. Nodes mount `efs://file-system-id/models` and
    `nfs://server/export/models` without an identity.
    """
    worker_identity: str
    """Identity of the service account `llm-workers`: ARN of a role, email of a service account, or client id."""
    postgres_endpoint: str
    """Postgres, as host:port; TLS only."""
    postgres_secret: str
    """ARN or id of the secret with the Postgres password, in the cloud's secret manager."""
    redis_endpoint: str
    """Host name or address of the Redis-compatible service; TLS only."""
    registry: str
    """Prefix of image names in the region's registry."""
    endpoint: str | None = None
    """Base URL of the region's API, with `/v1`. None without `clusters.serving`."""
    namespace: str | None = None
    """Namespace of the coordinators. None without `clusters.serving`."""
    threat_alerts: str | None = None
    """Topic with the findings of threat detection. None without `security.threat_detection`.

    ARN of the region's SNS topic on AWS; id of the project's Pub/Sub topic in the first region on Google Cloud.
    None in other regions on Google Cloud, and on Azure.
    """


class AwsRegionOutputs(_RegionOutputs):
    """A region on AWS."""

    platform: Literal[Platform.AWS]
    """`aws`."""
    target_group_arn: str
    """ARN of the target group that the coordinators' pods are registered with."""


class GcpRegionOutputs(_RegionOutputs):
    """A region on Google Cloud."""

    platform: Literal[Platform.GCP]
    """`gcp`."""
    coordinator_identity: str
    """Email of the service account that `llm-coordinators` acts as, which signs in to the Redis-compatible service."""


class AzureRegionOutputs(_RegionOutputs):
    """A region on Azure."""

    platform: Literal[Platform.AZURE]
    """`azure`."""
    redis_secret: str
    """Id of the secret with the Redis password."""
    resource_group: str
    """Resource group of everything in the region."""
    ingress_name: str
    """Name of the load balancer's address in the resource group, for the coordinators' Service."""


RegionOutputs = Annotated[AwsRegionOutputs | GcpRegionOutputs | AzureRegionOutputs, Field(discriminator="platform")]
"""One region; `platform` says which cloud it is in."""


class EnvironmentOutputs(_Outputs):
    """An environment on clouds."""

    regions: dict[str, RegionOutputs]
    """Outputs of each region, by the region's name."""
    model: str | None = None
    """The model's id. None without `clusters.serving`."""
    admin_key: str | None = None
    """The administrator's API key in every region, a secret. None without `clusters.serving`."""
    endpoint: str | None = None
    """Base URL of the API. None without `traffic`, like all outputs below."""
    regional_names: dict[str, str] | None = None
    """DNS name that always resolves to one region, by the region's name."""
    rto_s: int | None = None
    """Failover time in seconds, excluding the DNS provider's propagation delay. None with one region."""
    name_servers: list[str] | None = None
    """Name servers for the parent zone's delegation. Empty for an existing zone."""
    ds_record: str | None = None
    """DS record for the parent zone, which turns DNSSEC on. Empty for an existing zone and without `traffic.dnssec`.
    Also empty on Google Cloud, where `gcloud dns dns-keys list --zone ZONE` shows it."""
    routing_controls: dict[str, str] | None = None
    """ARN of the routing control that drains a region, by the region's name; empty without `traffic.drain_switch`."""
    switch_endpoints: list[str] | None = None
    """ARC cluster endpoints that change routing controls. Empty without `traffic.drain_switch`."""


def render_page() -> str:
    """Return the documentation page of the outputs."""
    return "\n".join(_render_lines()) + "\n"


def _render_lines() -> Iterator[str]:
    yield "# Stack outputs"
    yield ""
    yield "Generated from the types by `make golden`. Programs read the outputs with"
    yield "`novacron_infra.outputs.EnvironmentOutputs`."
    for kind in (EnvironmentOutputs, AwsRegionOutputs, GcpRegionOutputs, AzureRegionOutputs):
        yield from ("", f"## {kind.__name__}", "", str(kind.__doc__), "", "| Output | Description |", "| --- | --- |")
        for name, field in kind.model_fields.items():
            yield f"| `{name}` | {' '.join((field.description or '').split())} |"


if __name__ == "__main__":
    print(render_page(), end="")  # noqa: T201 - its purpose
