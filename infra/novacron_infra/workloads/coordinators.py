"""The coordinators in a cluster: a Deployment, and the Service where workers register.

How a coordinator stops: its pod leaves the Services while `preStop` sleeps. After SIGTERM, `/ready` returns 503 and the
coordinator serves for `drain_notice_s`, for load balancers. It then waits up to `drain_s` for streams in flight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.config.kubernetes import CoordinatorPods
from novacron_infra.plan.serving import NodePlacement, ServingPorts
from novacron_infra.workloads import pods
from novacron_infra.workloads import serving_contract as contract
from novacron_infra.workloads.names import (
    COORDINATOR_SERVICE_ACCOUNT,
    COORDINATORS,
    NAMESPACE,
    REGISTRATION_SERVICE,
    SERVING_PRIORITY,
    WORKERS,
)
from novacron_infra.workloads.probes import http_probe
from novacron_infra.workloads.serving_config import CoordinatorFile, PodTimes, build_coordinator_file

CONFIG_FILE = "coordinator.json"
PRE_STOP_S = 5
"""Time for every node to take a stopping pod out of its Services."""
DRAIN_NOTICE_S = 5
"""Time for load balancers to see that `/ready` returns 503."""
WORKERS_TIMEOUT_S = 60
"""How long a new coordinator waits for workers.

They register once they resolve its address. The cluster's DNS may serve an older answer for 30 s (`cache 30` in the
default configuration of CoreDNS, read 2026-11-30). A new stack has no workers to wait for: they are created
once coordinators are available.
"""
MINIMUM_WORKERS = 1
"""With all workers as the minimum, coordinators could not be updated while one worker is missing."""
_START_TIMEOUT_S = 60
_ALL_INTERFACES = "0.0.0.0"  # noqa: S104 - probes and clients use the pod's address, `kubectl port-forward` loopback
_MIB_BESIDES_CACHE = 64


def find_grace_s(drain_s: int) -> int:
    """Return the time between the deletion of a coordinator's pod and SIGKILL, which has to outlast its drain."""
    return PRE_STOP_S + DRAIN_NOTICE_S + drain_s + pods.EXIT_S


@dataclass(frozen=True, kw_only=True, slots=True)
class CoordinatorPlace:
    """Where coordinators run and listen."""

    nodes: NodePlacement = field(default_factory=NodePlacement)
    ports: ServingPorts = field(default_factory=ServingPorts)
    labels: Mapping[str, str] = field(default_factory=dict)
    """More labels of the pods, by which a cloud knows that they have an identity."""
    files: Sequence[pods.ReadOnlyFolder] = ()
    """Folders with the API's certificate and with the logins of services."""
    tls: bool = False
    """Whether the API has a certificate, and a port with TLS."""


def build_file(
    settings: CoordinatorPods, ports: ServingPorts, worker_namespace: str, *, redis: bool = False
) -> CoordinatorFile:
    """Return the configuration file of all coordinators. `redis`: they share a Redis-compatible service."""
    return build_coordinator_file(
        settings,
        host=_ALL_INTERFACES,
        http_port=ports.http,
        grpc_port=ports.grpc,
        metrics_port=ports.metrics,
        minimum_workers=MINIMUM_WORKERS,
        cache_folder=Path(contract.HOME) / "responses",
        workers_name=f"{WORKERS}.{worker_namespace}.svc",
        pod_times=PodTimes(
            workers_timeout_s=WORKERS_TIMEOUT_S, drain_notice_s=DRAIN_NOTICE_S, drain_s=settings.drain_s
        ),
        redis=redis,
    )


def declare_registration_service(resource: str, grpc_port: int, opts: pulumi.ResourceOptions) -> k8s.core.v1.Service:
    """Declare the Service whose name resolves to every coordinator, ready or not: workers make a coordinator ready."""
    port = k8s.core.v1.ServicePortArgs(name="grpc", port=grpc_port, target_port="grpc")
    return pods.declare_headless_service(resource, REGISTRATION_SERVICE, NAMESPACE, COORDINATORS, port, opts)


def declare_deployment(
    resource: str,
    settings: CoordinatorPods,
    place: CoordinatorPlace,
    source: pods.PodSource,
    opts: pulumi.ResourceOptions,
) -> k8s.apps.v1.Deployment:
    """Declare the coordinators' Deployment. An update starts a new pod before it stops an old one.

    Args:
        resource: name of the Pulumi resource.
        settings: the environment's settings of the coordinators.
        place: their nodes and ports.
        source: image, configuration and secrets.
        opts: Pulumi's options.
    """
    return k8s.apps.v1.Deployment(
        resource,
        metadata=pods.label_object(COORDINATORS, NAMESPACE, COORDINATORS),
        spec=k8s.apps.v1.DeploymentSpecArgs(
            replicas=settings.count,
            min_ready_seconds=pods.MIN_READY_S,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=pods.select_pods(COORDINATORS)),
            strategy=k8s.apps.v1.DeploymentStrategyArgs(
                type="RollingUpdate",
                rolling_update=k8s.apps.v1.RollingUpdateDeploymentArgs(max_unavailable=0, max_surge=1),
            ),
            template=k8s.core.v1.PodTemplateSpecArgs(
                metadata=k8s.meta.v1.ObjectMetaArgs(
                    labels={**pods.label_pods(COORDINATORS), **place.labels},
                    annotations=pods.annotate_content(source, place.files),
                ),
                spec=_describe_pod(settings, place, source),
            ),
        ),
        opts=pods.start_after_content(source, opts, place.files),
    )


def _describe_pod(
    settings: CoordinatorPods, place: CoordinatorPlace, source: pods.PodSource
) -> k8s.core.v1.PodSpecArgs:
    cache_mib = settings.response_cache.disk_mib if settings.response_cache else 0
    home = pods.WritableFolder(name="home", path=contract.HOME, size_mib=cache_mib + _MIB_BESIDES_CACHE)
    folders = (home, pods.TEMPORARY)
    volumes, mounts = pods.mount_source(source)
    https = k8s.core.v1.ContainerPortArgs(name="https", container_port=place.ports.https)
    return k8s.core.v1.PodSpecArgs(
        service_account_name=COORDINATOR_SERVICE_ACCOUNT,
        automount_service_account_token=False,
        enable_service_links=False,
        priority_class_name=SERVING_PRIORITY,
        termination_grace_period_seconds=find_grace_s(settings.drain_s),
        security_context=pods.secure_pod(),
        topology_spread_constraints=pods.spread_pods(
            pods.select_pods(COORDINATORS), revision_label="pod-template-hash", zones_required=place.nodes.zones > 1
        ),
        node_selector=dict(place.nodes.labels) or None,
        tolerations=pods.tolerate_taints(place.nodes),
        containers=[
            k8s.core.v1.ContainerArgs(
                name="coordinator",
                image=source.image,
                image_pull_policy=pods.pull_policy(source.image),
                args=["--config", f"{contract.CONFIG_FOLDER}/{CONFIG_FILE}"],
                env=pods.environment({}, source),
                ports=[
                    k8s.core.v1.ContainerPortArgs(name="http", container_port=place.ports.http),
                    k8s.core.v1.ContainerPortArgs(name="grpc", container_port=place.ports.grpc),
                    k8s.core.v1.ContainerPortArgs(name="metrics", container_port=place.ports.metrics),
                    *((https,) if place.tls else ()),
                ],
                startup_probe=http_probe(contract.HEALTH_PATH, "http", period_s=1, failures=_START_TIMEOUT_S),
                liveness_probe=http_probe(contract.HEALTH_PATH, "http", period_s=10, failures=3),
                readiness_probe=http_probe(contract.READY_PATH, "http", period_s=2, failures=3),
                lifecycle=k8s.core.v1.LifecycleArgs(
                    pre_stop=k8s.core.v1.LifecycleHandlerArgs(sleep=k8s.core.v1.SleepActionArgs(seconds=PRE_STOP_S))
                ),
                resources=pods.request_resources(settings.resources, folders),
                security_context=pods.secure_container(read_only_root=True),
                volume_mounts=[*mounts, *(folder.mount() for folder in (*folders, *place.files))],
            )
        ],
        volumes=[*volumes, *(folder.volume() for folder in (*folders, *place.files))],
    )
