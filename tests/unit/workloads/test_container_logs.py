"""The collector of logs: where it sends them, and whether it understands what the stack's processes write."""

from __future__ import annotations

import logging
import re
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pytest
from novacron_infra import Platform
from novacron_infra.aws.cluster_add_ons import describe_charts
from novacron_infra.config import AddOns, Monitoring
from novacron_infra.config.sections.monitoring import LogDestination, Logs, Loki
from novacron_infra.errors import ArgumentError
from novacron_infra.regions import ControllerCharts
from novacron_infra.workloads.add_ons import container_logs
from novacron_infra.workloads.add_ons.component import ChartAddOns, ChartAddOnsArgs
from novacron_infra.workloads.add_ons.container_logs import CloudWatchLogs
from novacron_infra.workloads.add_ons.load_balancer_controller import AwsCluster
from novacron_infra.workloads.add_ons.selection import ClusterDescription, list_releases
from novacron_serving import server

from tests.unit.graph import record
from tests.unit.workloads.cluster import ApiServer

LOKI = Loki(url="https://loki.example.com/gateway/", username="novacron", tenant="team")
GROUP = CloudWatchLogs(region="us-west-2", log_group="/aws/eks/prod-us-west-2/containers")


def to_loki(loki: Loki = LOKI) -> Monitoring:
    return Monitoring(logs=Logs(destination=LogDestination.LOKI, loki=loki))


def read_section(text: str, name: str) -> dict[str, str]:
    """Return the settings of a section of Fluent Bit's configuration, such as OUTPUT."""
    (section,) = re.findall(rf"^\[{name}\]\n((?: {{4}}.*\n)+)", text, re.MULTILINE)
    return {key: value.strip() for key, _, value in (line.strip().partition(" ") for line in section.splitlines())}


def read_output(destination: CloudWatchLogs | Loki) -> dict[str, str]:
    values = container_logs.describe_release(destination, service_monitors=False).render_values()
    return read_section(values["config"]["outputs"], "OUTPUT")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://loki.example.com/gateway/", ("loki.example.com", "443", "On", "/gateway/loki/api/v1/push")),
        ("http://loki-gateway.logging.svc", ("loki-gateway.logging.svc", "80", "Off", "/loki/api/v1/push")),
        ("http://10.0.0.1:3100", ("10.0.0.1", "3100", "Off", "/loki/api/v1/push")),
    ],
)
def test_logs_go_to_the_push_path_of_loki(url: str, expected: tuple[str, ...]) -> None:
    output = read_output(Loki(url=url))
    assert (output["host"], output["port"], output["tls"], output["uri"]) == expected
    assert not {"http_user", "http_passwd", "tenant_id"} & set(output)
    assert "namespace=$kubernetes['namespace_name']" in output["labels"]


def test_the_password_of_loki_is_in_a_secret_and_not_in_the_values() -> None:
    output = read_output(LOKI)
    assert (output["http_user"], output["http_passwd"], output["tenant_id"]) == ("novacron", "${LOKI_PASSWORD}", "team")
    cluster = ClusterDescription(platform=Platform.KUBERNETES, monitoring=to_loki())
    releases = list_releases(AddOns().fill(Platform.KUBERNETES), cluster)

    def program(opts: pulumi.ResourceOptions) -> object:
        args = ChartAddOnsArgs(releases=releases, loki_password="swordfish")
        return ChartAddOns("add-ons", args, pulumi.ResourceOptions(providers=[opts.provider])).urn

    graph = record(program, ApiServer(), lambda: k8s.Provider("cluster"), packages=("kubernetes:",))
    secret = graph.one("kubernetes:core/v1:Secret").inputs
    release = graph.one("kubernetes:helm.sh/v3:Release").inputs
    (variable,) = release["values"]["env"]
    assert variable["valueFrom"]["secretKeyRef"] == {"name": secret["metadata"]["name"], "key": "password"}
    assert secret["metadata"]["namespace"] == release["namespace"] == "container-logs"
    assert secret["stringData"] == {"password": "swordfish"}
    assert "swordfish" not in str(release)


def test_a_user_of_loki_without_a_password_is_an_error() -> None:
    args = ChartAddOnsArgs(releases=(container_logs.describe_release(LOKI, service_monitors=False),))
    with pytest.raises(ArgumentError, match="pulumi config set --secret novacron:lokiPassword"):
        ChartAddOns("add-ons", args)


def test_logs_on_aws_go_to_the_group_of_the_stack() -> None:
    output = read_output(GROUP)
    assert output["log_group_name"] == GROUP.log_group
    assert output["auto_create_group"] == "Off"
    assert output["log_stream_template"].startswith("$kubernetes['namespace_name'].$kubernetes['pod_name']")


@pytest.mark.parametrize(
    ("monitoring", "group", "name"),
    [(Monitoring(), None, None), (Monitoring(), GROUP, "cloudwatch_logs"), (to_loki(), None, "loki")],
)
def test_a_region_on_aws_has_one_collector_if_its_logs_go_anywhere(
    monitoring: Monitoring, group: CloudWatchLogs | None, name: str | None
) -> None:
    charts = ControllerCharts(add_ons=AddOns().fill(Platform.AWS, serving=True), monitoring=monitoring)
    args = describe_charts(charts, AwsCluster(name="prod", region="us-west-2", vpc_id="vpc-1"), group)
    found: list[dict[str, Any]] = [item.render_values() for item in args.releases if item.name == "fluent-bit"]
    assert [read_section(values["config"]["outputs"], "OUTPUT")["Name"] for values in found] == ([name] if name else [])


def test_the_parser_reads_what_processes_of_the_stack_write(capsys: pytest.CaptureFixture[str]) -> None:
    values = container_logs.describe_release(GROUP, service_monitors=False).render_values()
    # Ruby's syntax of named groups, which Fluent Bit has.
    parser = re.compile(read_section(values["config"]["customParsers"], "PARSER")["Regex"].replace("(?<", "(?P<"))
    assert read_section(values["config"]["inputs"], "INPUT")["multiline.parser"] == "docker, cri"

    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        server.main("coordinator", lambda _: logging.getLogger("novacron").warning("worker %s is gone", "w-1"))
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    found = parser.match(capsys.readouterr().err.rstrip("\n"))
    assert found is not None
    assert found.groupdict() == {"process": "coordinator", "level": "WARNING", "message": "worker w-1 is gone"}
    assert parser.match('{"level": "INFO"}') is None
