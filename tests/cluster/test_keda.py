"""Our ScaledObjects with KEDA's operator, its metrics server and Kubernetes' autoscaler.

Only Prometheus is a stand-in, whose numbers the test sets. KEDA takes long to build, so the test does not
build it: `python -m tools.cluster build keda` does.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config
from novacron_infra.config.sections.autoscaling import Day
from novacron_infra.plan.scaling import LoadTrigger, ReplicaLimit, ScalingPolicy, ScheduledScaling
from novacron_infra.workloads.custom_resources import to_properties
from novacron_infra.workloads.scaled_objects import (
    SCALED_OBJECT,
    ScaledGroup,
    Workload,
    describe_scaled_object,
    write_queries,
)

from tests.cluster.controllers import definitions, prepare
from tests.cluster.prometheus_stand_in import PrometheusStandIn
from tests.definitions import read_definitions
from tests.polling import free_port, listens, wait_until
from tools.cluster.binaries import KEDA
from tools.cluster.certificates import Authority
from tools.cluster.cluster import Cluster

SPACE, NAME = "scaled", "llm-workers"
POLICY = ScalingPolicy(
    minimum_replicas=2,
    maximum_replicas=6,
    requests_per_replica=64,
    kv_cache_full_fraction=0.85,
    scale_up=LoadTrigger(utilization_fraction=0.8, for_s=60),
    scale_down=LoadTrigger(utilization_fraction=0.4, for_s=6),
    target_utilization_fraction=0.6,
    scale_up_limit=ReplicaLimit(replicas=2, per_s=60),
    scale_down_limit=ReplicaLimit(replicas=1, per_s=3),
    emergency_utilization_fraction=1.5,
    emergency_limit=ReplicaLimit(replicas=8, per_s=60),
    quality_floor_fraction=0.95,
    schedules=(
        ScheduledScaling(
            name="another_day",
            days=(tuple(Day)[(datetime.now(timezone.utc).weekday() + 2) % 7],),
            start="00:00",
            end="23:59",
            time_zone="UTC",
            utilization_fraction=0.95,
            minimum_replicas=5,
        ),
    ),
)
GROUP = ScaledGroup(
    name=NAME, namespace=SPACE, workload=Workload.STATEFUL_SET, replicas=3, policy=POLICY, prometheus_url=""
)


class Scaled:
    """A group of simulated workers that KEDA scales, and what Prometheus says about it."""

    def __init__(self, plane: Cluster) -> None:
        self.plane = plane
        self.apps = client.AppsV1Api(config.new_client_from_config(config_file=str(plane.kubeconfig)))
        self.load = 1.2
        """In replicas."""
        self.starting = 0
        self.earlier = 2
        self.queries = write_queries(GROUP)
        self.prometheus = PrometheusStandIn(self.queries, self.answer)

    def answer(self, name: str) -> float:
        """Return the value of a query."""
        if name == "replicas":
            return self.replicas()
        values = {"starting": self.starting, "earlier": self.earlier, "quality": 1.0}
        return values.get(name, self.load)

    def replicas(self) -> int:
        """Return the number of replicas."""
        return self.apps.read_namespaced_stateful_set(NAME, SPACE).spec.replicas

    def condition(self, name: str) -> str:
        """Return the status of a condition of the ScaledObject."""
        status = self.plane.get("scaledobject", NAME, "-n", SPACE).get("status", {})
        return next((item["status"] for item in status.get("conditions", ()) if item["type"] == name), "")

    def becomes(self, replicas: int) -> None:
        """Wait for a number of replicas."""
        wait_until(lambda: self.replicas() == replicas, f"{replicas} replicas")

    def stays(self, replicas: int) -> None:
        """Check that the number is the same after three decisions of the autoscaler."""
        end = self.prometheus.asked + 3 * len(self.queries)
        wait_until(lambda: self.prometheus.asked > end, "three more decisions")
        assert self.replicas() == replicas


@pytest.fixture(scope="module")
def keda(plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run KEDA for the control plane, which asks its metrics server for external metrics."""
    if not all(program.path.exists() for program in KEDA):
        pytest.skip("KEDA is not built; `python -m tools.cluster build keda` builds it")
    folder = tmp_path_factory.mktemp("keda")
    processes = prepare(KEDA, folder)
    authority = Authority(folder / "certificates")
    pair = authority.issue("tls", "keda", addresses=("127.0.0.1", "keda-metrics-apiserver.keda.svc"))
    certificates = str(folder / "certificates")
    operator_port, metrics_port = free_port(), free_port()
    environment = {"WATCH_NAMESPACE": SPACE, "POD_NAMESPACE": "keda", "KEDA_CLUSTER_OBJECT_NAMESPACE": "keda"}
    kubeconfig = str(plane.kubeconfig)
    for name in (SPACE, "keda"):
        plane.kubectl("create", "namespace", name)
    with definitions(plane, read_definitions("keda.sh")):
        processes.start(
            "keda-operator",
            *("--kubeconfig", kubeconfig, "--cert-dir", certificates, "--enable-prometheus-metrics=false"),
            *("--metrics-service-bind-address", f"127.0.0.1:{operator_port}"),
            *("--health-probe-bind-address", "127.0.0.1:0"),
            environment=environment,
        )
        processes.start(
            "keda-adapter",
            *("--kubeconfig", kubeconfig, "--lister-kubeconfig", kubeconfig),
            *("--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig),
            *("--bind-address", "127.0.0.1", "--secure-port", str(metrics_port), "--port", "0"),
            *("--tls-cert-file", str(pair.certificate_file), "--tls-private-key-file", str(pair.key_file)),
            *("--cert-dir", certificates, "--metrics-service-address", f"127.0.0.1:{operator_port}"),
            environment=environment,
        )
        try:
            processes.wait_until("KEDA's operator", lambda: listens(operator_port))
            processes.wait_until("KEDA's metrics server", lambda: listens(metrics_port))
            for item in list_api_objects(metrics_port, authority.certificate_file):
                plane.kubectl("create", "-f", "-", given=item)
            plane.kubectl("wait", "--for=condition=Available", "apiservice/v1beta1.external.metrics.k8s.io")
            yield plane
            plane.kubectl("delete", "scaledobjects", "-n", SPACE, "--all", "--timeout=60s")
        finally:
            # Namespaces cannot be deleted while an API does not answer.
            plane.kubectl("delete", "--ignore-not-found", "apiservice", "v1beta1.external.metrics.k8s.io")
            processes.stop()
    plane.kubectl("delete", "namespace", SPACE, "keda", "--wait=false")


def list_api_objects(port: int, ca: Path) -> list[dict[str, Any]]:
    """Return the API of external metrics, as installed. A name in DNS takes the place of pods behind the Service."""
    name, space = "keda-metrics-apiserver", "keda"
    service = {"type": "ExternalName", "externalName": "localhost"}
    api = {
        "group": "external.metrics.k8s.io",
        "version": "v1beta1",
        "service": {"name": name, "namespace": space, "port": port},
        "caBundle": base64.b64encode(ca.read_bytes()).decode(),
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": space}, "spec": service},
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
            "spec": api,
        },
    ]


def list_objects(prometheus_url: str) -> list[dict[str, Any]]:
    """Return the workers and their ScaledObject."""
    labels = {"app": NAME}
    container = {"name": "worker", "image": "localhost/worker:1"}
    workers = {
        "replicas": 2,
        "serviceName": NAME,
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
        },
    }
    metadata = {"name": NAME, "namespace": SPACE}
    scaled = to_properties(describe_scaled_object(replace(GROUP, prometheus_url=prometheus_url)))
    return [
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": workers},
        {
            "apiVersion": SCALED_OBJECT.api_version,
            "kind": SCALED_OBJECT.kind,
            "metadata": metadata,
            "spec": scaled,
        },
    ]


@pytest.fixture
def scaled(keda: Cluster) -> Iterator[Scaled]:
    """A group of two workers, whose load is in between."""
    made = Scaled(keda)
    made.prometheus.start()
    try:
        for item in list_objects(made.prometheus.url):
            keda.kubectl("apply", "--server-side", "-f", "-", given=item)
        yield made
    finally:
        made.prometheus.stop()


def test_workers_follow_the_load_within_their_bounds_and_stay_without_metrics(scaled: Scaled) -> None:
    wait_until(lambda: scaled.condition("Ready") == "True", "KEDA accepts the ScaledObject")
    autoscaler = scaled.plane.get("horizontalpodautoscaler", f"keda-hpa-{NAME}", "-n", SPACE)["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (2, 6)
    (metric,) = autoscaler["metrics"]
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "1"}
    down = autoscaler["behavior"]["scaleDown"]
    assert (down["stabilizationWindowSeconds"], down["policies"]) == (
        6,
        [{"type": "Pods", "value": 1, "periodSeconds": 3}],
    )
    scaled.stays(2)  # 60% is neither much nor little

    scaled.load = 2.9  # five replicas at the target
    scaled.becomes(4)
    scaled.stays(4)  # two more in a minute are the limit
    scaled.load, scaled.earlier, scaled.starting = 3.4, 4, 1  # six at the target
    scaled.becomes(5)
    scaled.stays(5)  # the one that is starting was subtracted
    scaled.load, scaled.starting = 60, 0
    scaled.becomes(6)
    scaled.stays(6)  # the maximum

    scaled.prometheus.available = False
    wait_until(lambda: scaled.condition("Fallback") == "True", "KEDA falls back")
    scaled.stays(6)  # more than at the start
    scaled.load, scaled.prometheus.available = 0.5, True
    counts = [6]
    wait_until(lambda: counts.append(scaled.replicas()) or counts[-1] == 2, "the minimum")
    assert all(0 <= before - after <= 1 for before, after in itertools.pairwise(counts)), counts
    scaled.stays(2)

    scaled.prometheus.available = False
    scaled.becomes(3)  # as many as at the start
