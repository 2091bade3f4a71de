"""`monitoring`: metrics, dashboards, traces and logs."""

from __future__ import annotations

from enum import Enum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from novacron_infra.config.sections.base import Section, TextPattern, check_port

WebUrl = Annotated[
    str,
    TextPattern(
        r"https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?(/[^\s?#]*)?",
        "a URL starts with http:// or https:// and names a host, without a user and a query",
        "https://service.example.com",
    ),
    AfterValidator(check_port),
]


class Traces(Section):
    """Where coordinators and workers send their traces."""

    endpoint: WebUrl
    """URL of an OpenTelemetry collector that takes OTLP over HTTP, such as `http://collector.tracing.svc:4318`."""
    sampled_fraction: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Fraction of the requests that are traced, unless the client has already decided it in `traceparent`."""

    @property
    def port(self) -> int:
        """Port of the collector."""
        url = urlsplit(self.endpoint)
        return url.port or (443 if url.scheme == "https" else 80)


class LogDestination(str, Enum):
    """Where the logs of containers go."""

    CLOUD = "cloud"
    """The cloud's log service: CloudWatch Logs, Cloud Logging, or Log Analytics."""
    LOKI = "loki"
    """Grafana Loki."""


LoginName = Annotated[str, TextPattern(r"[A-Za-z0-9._@|-]+", "it has letters, digits and any of . _ @ | -", "novacron")]


class Loki(Section):
    """A Loki that takes logs. The password of `username` is the secret `novacron:lokiPassword`."""

    url: WebUrl
    """URL of Loki or its gateway, without `/loki/api/v1/push`, such as `http://loki-gateway.logging.svc`."""
    username: LoginName | None = None
    """User for basic authentication. Left out: there is none."""
    tenant: LoginName | None = None
    """Tenant that owns the logs (`X-Scope-OrgID`). Left out: Loki has one tenant."""


class Logs(Section):
    """Where the logs of all containers in a cluster go."""

    destination: LogDestination
    """`cloud` or `loki`. GKE sends logs to Cloud Logging in any case."""
    loki: Loki | None = None
    """The Loki, if logs go there."""


class Monitoring(Section):
    """Metrics, dashboards, traces and logs."""

    scrape_interval_s: Annotated[int, Field(ge=1, le=60)] = 15
    """Seconds between two scrapes of a target by Prometheus."""
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Days that Prometheus keeps metrics."""
    grafana: bool = True
    """Whether to install Grafana with its dashboards. Its password is a secret of the stack."""
    runbooks_url: WebUrl | None = None
    """Where you publish docs/runbooks, to which alerts link. Left out: they name the page in the repository."""
    traces: Traces | None = None
    """Where traces go. Left out: there are none."""
    logs: Logs | None = None
    """Where the logs of containers go. Left out: the stack collects none, and an agent of yours may."""
