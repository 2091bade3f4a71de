"""Network policies: nothing is allowed in either direction, except for the connections that are named here.

A connection between two pods needs a policy at each end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.workloads.names import COORDINATORS, NAMESPACE, PART_OF, WORKERS
from novacron_infra.workloads.pods import PART_OF_LABEL, label_object, select_pods
from novacron_infra.workloads.serving_contract import GRPC_PORT, HTTP_PORT, WORKER_PORT

_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
_POSTGRES_PORT = 5432
_HTTPS_PORT = 443
_DNS_PORT = 53


@dataclass(frozen=True, kw_only=True, slots=True)
class AllowedTraffic:
    """The connections that depend on the stack's configuration."""

    worker_namespace: str
    """Namespace of the workers."""
    monitoring_namespace: str
    """Namespace whose pods read metrics."""
    database_url: pulumi.Input[str] | None
    """The coordinators' database; None without one."""
    model_store: bool
    """Whether workers download their model from a store."""


def declare_network_policies(
    name: str, traffic: AllowedTraffic, opts: pulumi.ResourceOptions
) -> list[k8s.networking.v1.NetworkPolicy]:
    """Declare the network policies of every namespace of the stack.

    Args:
        name: how the names of the Pulumi resources begin.
        traffic: the connections that depend on the configuration.
        opts: Pulumi's options.
    """
    return [
        k8s.networking.v1.NetworkPolicy(
            f"{name}-{namespace}-{policy}", metadata=label_object(policy, namespace, policy), spec=spec, opts=opts
        )
        for namespace, policy, spec in _list_policies(traffic)
    ]


_Policy = tuple[str, str, k8s.networking.v1.NetworkPolicySpecArgs]
"""Namespace, name and specification."""


def _list_policies(traffic: AllowedTraffic) -> Iterator[_Policy]:
    workers = traffic.worker_namespace
    for namespace in dict.fromkeys((NAMESPACE, workers)):
        yield namespace, "default-deny", _deny_all()
        # The cluster's DNS may be pods, a cache on the node or an address outside, so any server on the port will do.
        dns = [_port(_DNS_PORT, "UDP"), _port(_DNS_PORT, "TCP")]
        yield namespace, "dns", _allow_egress(k8s.meta.v1.LabelSelectorArgs(match_labels={PART_OF_LABEL: PART_OF}), dns)
    coordinators_here, workers_here = _select(COORDINATORS), _select(WORKERS)
    coordinators_there, workers_there = _peer(NAMESPACE, COORDINATORS), _peer(workers, WORKERS)
    api, registration, requests = [_port(HTTP_PORT)], [_port(GRPC_PORT)], [_port(WORKER_PORT)]
    monitoring = _peer(traffic.monitoring_namespace)
    # Clients, load balancers and probes of the API have any address; API keys protect it.
    yield NAMESPACE, "coordinators-from-clients", _allow_ingress(coordinators_here, api)
    yield NAMESPACE, "coordinators-from-workers", _allow_ingress(coordinators_here, registration, [workers_there])
    yield NAMESPACE, "coordinators-to-workers", _allow_egress(coordinators_here, requests, [workers_there])
    yield workers, "workers-to-coordinators", _allow_egress(workers_here, registration, [coordinators_there])
    yield workers, "workers-from-coordinators", _allow_ingress(workers_here, requests, [coordinators_there])
    yield workers, "workers-from-monitoring", _allow_ingress(workers_here, requests, [monitoring])
    if traffic.database_url is not None:
        port = pulumi.Output.unsecret(pulumi.Output.from_input(traffic.database_url).apply(_find_port))
        yield NAMESPACE, "coordinators-to-database", _allow_egress(coordinators_here, [_port(port)])
    if traffic.model_store:
        yield workers, "workers-to-model-store", _allow_egress(workers_here, [_port(_HTTPS_PORT)])


def _find_port(database_url: str) -> int:
    return urlsplit(database_url).port or _POSTGRES_PORT


def _select(name: str) -> k8s.meta.v1.LabelSelectorArgs:
    return k8s.meta.v1.LabelSelectorArgs(match_labels=select_pods(name))


def _peer(namespace: str, name: str | None = None) -> k8s.networking.v1.NetworkPolicyPeerArgs:
    """Return pods of a namespace: all of them, or those of a name."""
    return k8s.networking.v1.NetworkPolicyPeerArgs(
        namespace_selector=k8s.meta.v1.LabelSelectorArgs(match_labels={_NAMESPACE_LABEL: namespace}),
        pod_selector=None if name is None else _select(name),
    )


def _port(port: pulumi.Input[int], protocol: str = "TCP") -> k8s.networking.v1.NetworkPolicyPortArgs:
    return k8s.networking.v1.NetworkPolicyPortArgs(port=port, protocol=protocol)


def _deny_all() -> k8s.networking.v1.NetworkPolicySpecArgs:
    return k8s.networking.v1.NetworkPolicySpecArgs(
        pod_selector=k8s.meta.v1.LabelSelectorArgs(), policy_types=["Ingress", "Egress"]
    )


def _allow_ingress(
    pods: k8s.meta.v1.LabelSelectorArgs,
    ports: Sequence[k8s.networking.v1.NetworkPolicyPortArgs],
    peers: Sequence[k8s.networking.v1.NetworkPolicyPeerArgs] | None = None,
) -> k8s.networking.v1.NetworkPolicySpecArgs:
    """Allow connections to ports of pods, from some peers or from everywhere."""
    return k8s.networking.v1.NetworkPolicySpecArgs(
        pod_selector=pods,
        policy_types=["Ingress"],
        ingress=[k8s.networking.v1.NetworkPolicyIngressRuleArgs(from_=peers, ports=ports)],
    )


def _allow_egress(
    pods: k8s.meta.v1.LabelSelectorArgs,
    ports: Sequence[k8s.networking.v1.NetworkPolicyPortArgs],
    peers: Sequence[k8s.networking.v1.NetworkPolicyPeerArgs] | None = None,
) -> k8s.networking.v1.NetworkPolicySpecArgs:
    """Allow connections of pods to ports, of some peers or of every address."""
    return k8s.networking.v1.NetworkPolicySpecArgs(
        pod_selector=pods,
        policy_types=["Egress"],
        egress=[k8s.networking.v1.NetworkPolicyEgressRuleArgs(to=peers, ports=ports)],
    )
