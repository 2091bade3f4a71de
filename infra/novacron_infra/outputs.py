"""What a deployed environment tells, for programs that read it.

`EnvironmentOutputs.model_validate` takes the values of `pulumi stack output --json --show-secrets`, or those of a stack
reference. `python -m novacron_infra.outputs` prints the page of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from novacron_infra.config import Platform

ModelStoreUrl = Annotated[str, Field(pattern=r"^(s3|gs|az|efs|nfs)://[^/]+(/[^/]+)*$")]


class _Outputs(BaseModel):
    """Frozen, and no output that is not described here."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RegionOutputs(_Outputs):
    """One region of an environment: the same in every cloud."""

    platform: Platform
    """The region's cloud: `aws`, `gcp` or `azure`."""
    cluster: str
    """Name of the Kubernetes cluster."""
    kubeconfig: str
    """For the cluster's administrators: it holds no credentials and signs in through the cloud's own command."""
    ingress_address: str
    """Host name (AWS) or IPv4 address of the region's load balancer."""
    model_store: ModelStoreUrl
    """Where models lie, as a URL with the prefix. Read as `worker_identity`: `s3://bucket/models`, `gs://bucket/models`,
    `az://container@account.blob.core.windows.net/models`. Mounted by nodes, without any identity:
    `efs://file-system-id/models`, `nfs://server/export/models`."""
    worker_identity: str
    """What the service account `llm-workers` acts as: ARN of a role, e-mail of a service account, client id."""
    coordinator_identity: str | None = None
    """Google Cloud only: what the coordinators' service account acts as, to sign in to the Redis-compatible service."""
    postgres_endpoint: str
    """Postgres, as host:port; TLS only."""
    postgres_secret: str
    """Where its password lies: ARN or id of a secret in the cloud's own manager."""
    redis_endpoint: str
    """Host name or address of the Redis-compatible service; TLS only."""
    redis_secret: str | None = None
    """Azure only: where its password lies."""
    registry: str
    """Where images are pushed to and pulled from; an image's name follows."""
    resource_group: str | None = None
    """Azure only: of everything in the region."""
    ingress_name: str | None = None
    """Azure only: name of the load balancer's address in the resource group, for the coordinators' Service."""
    target_group_arn: str | None = None
    """AWS only: what the coordinators' pods are registered with behind the load balancer."""


class EnvironmentOutputs(_Outputs):
    """An environment on clouds."""

    regions: dict[str, RegionOutputs]
    """By the region's name."""
    endpoint: str | None = None
    """Base URL of the API; none without `traffic`, and so are the further outputs."""
    regional_names: dict[str, str] | None = None
    """The name that always means one region, by the region's name."""
    rto_s: int | None = None
    """Seconds that a dead region keeps its traffic, without the DNS service's own publication; none with one region."""
    name_servers: list[str] | None = None
    """What the parent zone has to delegate to; empty for a zone that exists."""
    routing_controls: dict[str, str] | None = None
    """ARN of the switch that drains a region, by the region's name; empty without `traffic.drain_switch`."""
    switch_endpoints: list[str] | None = None
    """ARC's data plane, where the switches are turned; empty without them."""


def page() -> str:
    """The outputs as a page for people."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield "# Stack outputs"
    yield ""
    yield "Made from the types by `make golden`. Programs read them with `novacron_infra.outputs.EnvironmentOutputs`."
    for kind in (EnvironmentOutputs, RegionOutputs):
        yield from ("", f"## {kind.__name__}", "", str(kind.__doc__), "", "| output | what it is |", "| --- | --- |")
        for name, field in kind.model_fields.items():
            yield f"| `{name}` | {' '.join((field.description or '').split())} |"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - its purpose
