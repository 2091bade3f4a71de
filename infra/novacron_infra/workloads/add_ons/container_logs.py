"""Fluent Bit: reads the logs of all containers on each node, and sends them to CloudWatch Logs or Loki.

GKE and AKS send logs to the log services of their clouds themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from novacron_infra.config.sections.monitoring import Loki
from novacron_infra.workloads.add_ons.charts import Chart, PodSecurity, Release, Values
from novacron_infra.workloads.add_ons.common_values import Capabilities, Switch

RELEASE = "fluent-bit"
"""Name of the release, and of its service account."""
NAMESPACE = "container-logs"
LOKI_SECRET, LOKI_PASSWORD_KEY = "loki-login", "password"
CHART = Chart(
    repository="https://fluent.github.io/helm-charts",
    name="fluent-bit",
    version="0.58.1",
    digest="sha256:fc2235278cdb4e76befb8520464a66ff459c6d7711bbbc8755dedcc32799877b",
    as_of="2026-08-17",
    source="github.com/fluent/helm-charts, index.yaml of the branch gh-pages",
)
_PASSWORD_VARIABLE = "LOKI_PASSWORD"  # noqa: S105
_POSITIONS = "/var/log/novacron-container-logs.db"
"""File on the node with what has been read, so that a restart neither loses nor repeats lines."""
_INPUTS = f"""\
[INPUT]
    Name              tail
    Path              /var/log/containers/*.log
    Exclude_Path      /var/log/containers/*_{NAMESPACE}_*.log
    Tag               kube.*
    multiline.parser  docker, cri
    DB                {_POSITIONS}
    Mem_Buf_Limit     16MB
    Skip_Long_Lines   On
"""
_PARSERS = r"""
[PARSER]
    Name    novacron
    Format  regex
    Regex   ^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},\d{3} (?<process>\S+) (?<level>[A-Z]+) (?<message>.*)$
"""
"""The format of coordinators and workers: `2026-11-30 12:00:00,000 coordinator INFO listening on …`."""
_FILTERS = """\
[FILTER]
    Name                 kubernetes
    Match                kube.*
    Merge_Log            On
    Labels               Off
    Annotations          Off
    K8S-Logging.Exclude  On

[FILTER]
    Name          parser
    Match         kube.*
    Key_Name      log
    Parser        novacron
    Preserve_Key  On
    Reserve_Data  On
"""


_LABELS = {"namespace": "namespace_name", "pod": "pod_name", "container": "container_name"}
"""Labels of a log stream, and their keys in the metadata that the filter `kubernetes` adds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudWatchLogs:
    """A log group of CloudWatch. The collector's service account may write to it."""

    region: str
    log_group: str


@dataclass(frozen=True, kw_only=True)
class SecurityContext(Values):
    """Rights of the collector. Only root can read the files of the kubelet; it needs no capability for that."""

    run_as_user: int = 0
    allow_privilege_escalation: bool = False
    read_only_root_filesystem: bool = True
    capabilities: Capabilities = Capabilities()
    seccomp_profile: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Pipeline(Values):
    """The configuration of Fluent Bit, in its classic format."""

    inputs: str = _INPUTS
    custom_parsers: str = _PARSERS.lstrip()
    filters: str = _FILTERS
    outputs: str


@dataclass(frozen=True, kw_only=True)
class ContainerLogsValues(Values):
    """The values that this project sets."""

    fullname_override: str = RELEASE
    test_framework: Switch = Switch(enabled=False)
    security_context: SecurityContext = SecurityContext(seccomp_profile={"type": "RuntimeDefault"})
    # Every node has containers: GPU nodes and those of the control plane too.
    tolerations: tuple[dict[str, str], ...] = ({"operator": "Exists"},)
    resources: dict[str, Any]
    service_monitor: Switch
    env: tuple[dict[str, Any], ...] | None
    config: Pipeline


def describe_release(destination: CloudWatchLogs | Loki, *, service_monitors: bool) -> Release:
    """Return the release.

    Args:
        destination: where logs go. The password of Loki's user is in the Secret `LOKI_SECRET`.
        service_monitors: whether the cluster has the definition of ServiceMonitors.
    """
    is_loki = isinstance(destination, Loki)
    has_login = is_loki and destination.username is not None
    return Release(
        name=RELEASE,
        namespace=NAMESPACE,
        chart=CHART,
        values=ContainerLogsValues(
            resources={"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
            service_monitor=Switch(enabled=service_monitors),
            env=(_read_password(),) if has_login else None,
            config=Pipeline(outputs=_send_to_loki(destination) if is_loki else _send_to_cloud_watch(destination)),
        ),
        pod_security=PodSecurity.PRIVILEGED,
        privileged_because="the collector reads the logs of containers from a folder of the node",
    )


def needs_password(release: Release) -> bool:
    """Return whether a release is the collector and reads the password of Loki's user from the Secret."""
    return isinstance(release.values, ContainerLogsValues) and release.values.env is not None


def _read_password() -> dict[str, Any]:
    reference = {"name": LOKI_SECRET, "key": LOKI_PASSWORD_KEY}
    return {"name": _PASSWORD_VARIABLE, "valueFrom": {"secretKeyRef": reference}}


def _send_to_cloud_watch(destination: CloudWatchLogs) -> str:
    return _render_output(
        {
            "Name": "cloudwatch_logs",
            "region": destination.region,
            "log_group_name": destination.log_group,
            # The stack makes the group, with a key and a retention.
            "auto_create_group": "Off",
            "log_stream_template": ".".join(f"$kubernetes['{key}']" for key in _LABELS.values()),
            "log_stream_prefix": "container-",
        }
    )


def _send_to_loki(loki: Loki) -> str:
    url = urlsplit(loki.url)
    secure = url.scheme == "https"
    login = {"http_user": loki.username, "http_passwd": f"${{{_PASSWORD_VARIABLE}}}"} if loki.username else {}
    return _render_output(
        {
            "Name": "loki",
            "host": url.hostname or "",
            "port": str(url.port or (443 if secure else 80)),
            "tls": "On" if secure else "Off",
            "uri": f"{url.path.rstrip('/')}/loki/api/v1/push",
            "labels": ", ".join(["job=novacron", *(f"{name}=$kubernetes['{key}']" for name, key in _LABELS.items())]),
            "line_format": "json",
            **({"tenant_id": loki.tenant} if loki.tenant else {}),
            **login,
        }
    )


def _render_output(settings: dict[str, str]) -> str:
    lines = [f"    {key:20}{value}" for key, value in {**settings, "Match": "kube.*", "Retry_Limit": "10"}.items()]
    return "\n".join(["[OUTPUT]", *lines, ""])
