"""Charts of add-ons: which are installed where, in what order, and whether the charts know the values."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pulumi
import pulumi_kubernetes as k8s
import pytest
import yaml
from novacron_infra import Platform
from novacron_infra.aws import cluster_add_ons as on_aws
from novacron_infra.azure import cluster_add_ons as on_azure
from novacron_infra.catalog import FabricKind
from novacron_infra.config import AddOn, AddOns, Monitoring
from novacron_infra.config.sections.add_ons import INSTALLED_PROMETHEUS_URL
from novacron_infra.config.sections.monitoring import Loki
from novacron_infra.gcp import cluster_add_ons as on_gcp
from novacron_infra.plan.serving import PodFabric
from novacron_infra.pools import NodePoolShape, NodeRole
from novacron_infra.regions import ControllerCharts
from novacron_infra.workloads.add_ons import cert_manager, container_logs, gpu_metrics, gpu_stack
from novacron_infra.workloads.add_ons.charts import PodSecurity, Release
from novacron_infra.workloads.add_ons.component import ChartAddOns, ChartAddOnsArgs
from novacron_infra.workloads.add_ons.load_balancer_controller import AwsCluster
from novacron_infra.workloads.add_ons.selection import ClusterDescription, list_releases
from novacron_infra.workloads.fabrics import describe_fabric
from pulumi.runtime import mocks

from tests.definitions import MODULES, Module, check_object, open_module
from tests.unit.graph import Graph, Registered, record

CHARTS = "NOVACRON_CHARTS"
"""The variable that names a folder with unpacked charts, by name, to look up the values that no Go module has."""
EKS = AwsCluster(name="prod", region="us-west-2", vpc_id="vpc-1")
LOKI = Loki(url="https://loki.example.com/gateway", username="novacron", tenant="team")
EVERYWHERE = ["monitoring", "cert-manager", "external-secrets"]
CHART_MODULES = {
    "cert-manager": (MODULES["cert-manager.io"], "deploy/charts/cert-manager/"),
    "external-secrets": (MODULES["external-secrets.io"], "deploy/charts/external-secrets/"),
    "gateway-crds-helm": (
        Module("github.com/envoyproxy/gateway", "v1.9.1", "h1:vAVp6/AlBXJ1aOhp1mxL7fNEzVEfjADUguUhm2wzxQY=", "charts/"),
        "charts/gateway-crds-helm/",
    ),
    "gpu-operator": (
        Module(
            "github.com/NVIDIA/gpu-operator",
            "v0.0.0-20250917190837-d73a0086a6ba",
            "h1:LoeqwWjR0h2WRyHXmyYCPVwM/dAdKKxjE8LzyyeuqHI=",
            "deployments/",
        ),
        "deployments/gpu-operator/",
    ),
}
"""Charts that Go modules carry, where they are in the module."""


def releases(platform: Platform, *, infiniband: bool = False, **chosen: AddOn) -> tuple[Release, ...]:
    cluster = ClusterDescription(
        platform=platform,
        monitoring=Monitoring(),
        infiniband=infiniband,
        aws=EKS if platform is Platform.AWS else None,
    )
    return list_releases(AddOns(**chosen).fill(platform, serving=True), cluster)


def every_release() -> list[Release]:
    found: dict[str, Release] = {}
    for platform in (Platform.AWS, Platform.AZURE, Platform.GCP):
        more = {"load_balancer_controller": AddOn.INSTALL} if platform is Platform.AWS else {}
        for release in releases(platform, infiniband=True, gateway_api=AddOn.INSTALL, **more):
            found[release.name] = release
    logs = container_logs.describe_release(LOKI, service_monitors=True)
    return [*found.values(), logs]


@pytest.mark.parametrize(
    ("platform", "infiniband", "more"),
    [
        (Platform.AWS, False, ["dcgm-exporter", "lws", "keda", "aws-load-balancer-controller"]),
        (Platform.GCP, False, ["lws", "keda"]),
        (Platform.AZURE, False, ["gpu-operator", "lws", "keda"]),
        (Platform.AZURE, True, ["network-operator", "gpu-operator", "lws", "keda"]),
    ],
)
def test_each_cloud_gets_the_charts_that_it_lacks(platform: Platform, infiniband: bool, more: list[str]) -> None:
    assert [item.name for item in releases(platform, infiniband=infiniband)] == EVERYWHERE + more


@pytest.mark.parametrize("fabric", [None, FabricKind.INFINIBAND])
def test_regions_on_azure_get_the_network_operator_if_their_machines_have_infiniband(fabric: FabricKind | None) -> None:
    workers = NodePoolShape(
        role=NodeRole.WORKER, machine="Standard_ND96isr_H100_v5", nodes=2, zones=("1",), fabric=fabric
    )
    charts = ControllerCharts(add_ons=AddOns().fill(Platform.AZURE, serving=True), monitoring=Monitoring())
    names = {item.name for item in on_azure.describe_charts(charts, [workers]).releases}
    assert ("network-operator" in names) is (fabric is not None)
    assert "gpu-operator" in names


def test_regions_of_every_cloud_install_what_the_environment_says() -> None:
    add_ons = AddOns(keda=AddOn.NONE, load_balancer_controller=AddOn.INSTALL)
    on_cloud = {
        Platform.AWS: lambda charts: on_aws.describe_charts(charts, EKS),
        Platform.GCP: on_gcp.describe_charts,
        Platform.AZURE: lambda charts: on_azure.describe_charts(charts, []),
    }
    for platform, describe in on_cloud.items():
        charts = ControllerCharts(
            add_ons=add_ons.fill(platform, serving=True),
            monitoring=Monitoring(retention_days=7),
            grafana_password="swordfish",
        )
        args = describe(charts)
        found = {item.name: item for item in args.releases}
        assert "keda" not in found
        assert found["monitoring"].render_values()["prometheus"]["prometheusSpec"]["retention"] == "7d"
        assert ("aws-load-balancer-controller" in found) is (platform is Platform.AWS)
        assert args.grafana_password == "swordfish"


def test_a_cluster_of_your_own_gets_only_the_charts_that_are_asked_for() -> None:
    assert releases(Platform.KUBERNETES) == ()
    assert [item.name for item in releases(Platform.KUBERNETES, keda=AddOn.INSTALL)] == ["keda"]


def test_an_add_on_that_the_cluster_has_is_not_installed_and_others_use_it() -> None:
    found = {item.name: item for item in releases(Platform.GCP, monitoring=AddOn.EXISTING, keda=AddOn.NONE)}
    assert "monitoring" not in found
    assert "keda" not in found
    assert found["cert-manager"].render_values()["prometheus"] == {"servicemonitor": {"enabled": True}}
    without = {item.name: item for item in releases(Platform.GCP, monitoring=AddOn.NONE)}
    assert without["cert-manager"].render_values()["prometheus"] == {"servicemonitor": {"enabled": False}}


def test_definitions_are_installed_before_the_charts_that_use_them() -> None:
    found = {item.name: item for item in releases(Platform.AZURE, infiniband=True)}
    order = list(found)
    for item in found.values():
        assert all(order.index(other) < order.index(item.name) for other in item.after)
    assert {name for name, item in found.items() if "monitoring" in item.after} == set(order) - {"monitoring"}
    assert "network-operator" in found["gpu-operator"].after


def test_every_chart_is_pinned_and_has_a_source() -> None:
    for item in every_release():
        assert item.chart.version.removeprefix("v").count(".") == 2, item.name
        assert item.chart.as_of.startswith("2026-")
        assert item.chart.source
        assert item.chart.digest is None or len(item.chart.digest) == len("sha256:") + 64


def test_only_charts_with_a_reason_are_in_privileged_namespaces() -> None:
    privileged = {item.name for item in every_release() if item.pod_security is PodSecurity.PRIVILEGED}
    assert privileged == {"monitoring", "dcgm-exporter", "gpu-operator", "network-operator", "fluent-bit"}
    with pytest.raises(ValueError, match="exactly a privileged namespace needs a reason"):
        Release(
            name="x",
            namespace="x",
            chart=cert_manager.CHART,
            values=cert_manager.CertManagerValues(),
            pod_security=PodSecurity.PRIVILEGED,
        )


def test_the_exporter_counts_xids_and_needs_no_capability() -> None:
    fields = [line.split(",")[0] for line in gpu_metrics.read_counters().splitlines() if not line.startswith("#")]
    assert "DCGM_EXP_XID_ERRORS_COUNT" in fields
    assert not [name for name in fields if name.startswith("DCGM_FI_PROF_")]
    assert all(len(line.split(", ")) == 3 for line in gpu_metrics.read_counters().splitlines() if line[0] != "#")
    values = gpu_metrics.describe_release(scrape_interval_s=15, service_monitors=True).render_values()
    assert values["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": []}
    assert values["securityContext"]["runAsNonRoot"] is True
    assert values["customMetrics"] == gpu_metrics.read_counters()


def test_the_address_of_prometheus_is_that_of_the_chart() -> None:
    (first, *_) = releases(Platform.AWS)
    name = first.render_values()["fullnameOverride"]
    assert f"http://{name}-prometheus.{first.namespace}.svc:9090" == INSTALLED_PROMETHEUS_URL


def test_prometheus_reads_every_namespace_and_keeps_what_is_configured() -> None:
    settings = Monitoring(scrape_interval_s=30, retention_days=10, grafana=False)
    (first, *_) = list_releases(
        AddOns().fill(Platform.GCP, serving=True), ClusterDescription(platform=Platform.GCP, monitoring=settings)
    )
    values = first.render_values()
    spec = values["prometheus"]["prometheusSpec"]
    assert spec["retention"] == "10d"
    assert spec["scrapeInterval"] == "30s"
    assert spec["ruleSelectorNilUsesHelmValues"] is False
    assert values["grafana"]["enabled"] is False
    assert values["kubeEtcd"] == {"enabled": False}


# -- values ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ChartFiles:
    """The default values of a chart, and the text of its templates."""

    defaults: dict[str, Any]
    templates: str

    def find_unknown(self, values: dict[str, Any]) -> list[str]:
        """Return the paths of values that the chart does not read."""
        return list(self._find_unknown(values, self.defaults, ""))

    def _find_unknown(self, values: dict[str, Any], known: dict[str, Any], path: str) -> Iterator[str]:
        for name, value in values.items():
            where, default = f"{path}.{name}", known.get(name)
            if name not in known and not self._is_read(where):
                yield where.removeprefix(".")
            # An object without defaults, or that `toYaml` copies as it is, takes any key.
            elif isinstance(value, dict) and isinstance(default, dict) and default and not self._is_copied(where):
                yield from self._find_unknown(value, default, where)

    def _is_read(self, path: str) -> bool:
        return re.search(rf"\.Values{re.escape(path)}\b", self.templates) is not None

    def _is_copied(self, path: str) -> bool:
        return re.search(rf"toYaml \.Values{re.escape(path)}\b", self.templates) is not None


def read_chart(name: str) -> ChartFiles:
    folder = os.environ.get(CHARTS)
    if folder is not None and (Path(folder) / name).is_dir():
        templates = [file for file in (Path(folder) / name / "templates").rglob("*.*") if file.is_file()]
        return ChartFiles(
            yaml.safe_load((Path(folder) / name / "values.yaml").read_text()),
            "".join(file.read_text() for file in templates),
        )
    if name not in CHART_MODULES:
        pytest.skip(f"no Go module carries the chart {name}, and {CHARTS} names no folder with it")
    module, path = CHART_MODULES[name]
    prefix = f"{module.path}@{module.version}/{path}"
    with open_module(module) as archive:
        names = [item for item in archive.namelist() if item.startswith(f"{prefix}templates/")]
        return ChartFiles(
            yaml.safe_load(archive.read(f"{prefix}values.yaml")), "".join(archive.read(item).decode() for item in names)
        )


@pytest.mark.go
@pytest.mark.parametrize("release", every_release(), ids=lambda item: item.name)
def test_charts_know_the_values(release: Release) -> None:
    assert read_chart(release.chart.name).find_unknown(release.render_values()) == []


@pytest.mark.go
def test_a_value_that_the_chart_does_not_know_is_found() -> None:
    values = {"crds": {"enable": True}, "replicas": 2, "webhook": {"replicaCount": 2}}
    assert read_chart("cert-manager").find_unknown(values) == ["crds.enable", "replicas"]


# -- resources ---------------------------------------------------------------------------------------------------------


class _Cluster(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = dict(args.inputs)
        if args.typ == "random:index/randomPassword:RandomPassword":
            outputs["result"] = "generated"
        return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError(args.token)


def declare(items: tuple[Release, ...]) -> Graph:
    def program(opts: pulumi.ResourceOptions) -> object:
        add_ons = ChartAddOns(
            "add-ons", ChartAddOnsArgs(releases=items), pulumi.ResourceOptions(providers=[cast("Any", opts.provider)])
        )
        return add_ons.urn

    return record(program, _Cluster(), lambda: k8s.Provider("cluster"), False, ("kubernetes:",))


def of(graph: Graph, kind: str) -> dict[str, Registered]:
    return {item.name.removeprefix("add-ons-"): item for item in graph.resources if item.type.endswith(f":{kind}")}


def test_charts_are_installed_by_pulumi_from_their_repositories() -> None:
    graph = declare(releases(Platform.AWS, load_balancer_controller=AddOn.INSTALL))
    charts = of(graph, "Release")
    assert charts["keda"].inputs["repositoryOpts"] == {"repo": "https://kedacore.github.io/charts"}
    assert charts["keda"].inputs["chart"] == "keda"
    assert charts["cert-manager"].inputs["chart"] == "oci://quay.io/jetstack/charts/cert-manager"
    assert "repositoryOpts" not in charts["cert-manager"].inputs
    assert charts["aws-load-balancer-controller"].inputs["values"]["clusterName"] == "prod"
    for item in charts.values():
        assert item.inputs["version"]
        assert item.inputs["atomic"] is True
    (secret,) = of(graph, "Secret").values()
    assert secret.inputs["metadata"]["namespace"] == charts["monitoring"].inputs["namespace"] == "monitoring"
    assert "generated" not in str(charts["monitoring"].inputs)


def test_namespaces_enforce_the_level_that_their_charts_need() -> None:
    levels = {
        item.inputs["metadata"]["name"]: item.inputs["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for item in of(declare(releases(Platform.AWS)), "Namespace").values()
    }
    assert levels == {
        "monitoring": "privileged",
        "cert-manager": "restricted",
        "external-secrets": "restricted",
        "gpu-metrics": "privileged",
        "lws-system": "restricted",
        "keda": "restricted",
    }


def test_infiniband_is_set_up_once_its_operator_runs() -> None:
    graph = declare(releases(Platform.AZURE, infiniband=True))
    (policy,) = of(graph, "NicClusterPolicy").values()
    assert policy.inputs["metadata"]["name"] == "nic-cluster-policy"
    (shared,) = json.loads(policy.inputs["spec"]["rdmaSharedDevicePlugin"]["config"])["configList"]
    requested = describe_fabric(PodFabric(kind=FabricKind.INFINIBAND, interfaces=8)).resources
    assert requested == {f"{shared['resourcePrefix']}/{shared['resourceName']}": "1"}
    (counters,) = of(graph, "ConfigMap").values()
    assert list(counters.inputs["data"]) == [gpu_stack.COUNTERS_KEY]
    operator = of(graph, "Release")["gpu-operator"].inputs["values"]
    assert operator["driver"]["rdma"] == {"enabled": True, "useHostMofed": False}
    assert operator["nfd"] == {"enabled": False}


@pytest.mark.go
def test_objects_fit_their_definitions() -> None:
    graph = declare(releases(Platform.AWS))
    for kind in ("Namespace", "Secret"):
        for item in of(graph, kind).values():
            check_object(item.inputs)
