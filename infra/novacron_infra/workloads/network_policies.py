"""Network policies: nothing is allowed in either direction, except for the connections that are named here.

A connection between two pods needs a policy at each end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.plan.serving import ServingPorts
from novacron_infra.workloads.leader_worker_sets import NAME_LABEL as LWS_NAME_LABEL
from novacron_infra.workloads.names import COORDINATORS, NAMESPACE, PART_OF, RANKS, WORKERS
from novacron_infra.workloads.pods import NAME_LABEL, PART_OF_LABEL, label_object, select_pods
from novacron_infra.workloads.serving_args import PortRange

_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
_HTTPS_PORT = 443
_DNS_PORT = 53
_METADATA_NETWORK = "169.254.0.0/16"
"""Link-local addresses: 169.254.169.254 and .252 on GKE, 169.254.170.23 for EKS Pod Identity."""
_METADATA_PORTS = (80, 988)
"""GKE's metadata server listens on 988 where the network plugin does not translate port 80."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AllowedTraffic:
    """The connections that depend on the stack's configuration."""

    worker_namespace: str
    """Namespace of the workers."""
    monitoring_namespace: str
    """Namespace whose pods read metrics."""
    ports: ServingPorts
    database_ports: tuple[PortRange, ...]
    """Ports of the coordinators' database; empty without one."""
    redis_ports: tuple[PortRange, ...]
    """Ports of the coordinators' Redis-compatible service; empty without one."""
    own_databases: Mapping[str, int]
    """Ports of the servers in the coordinators' namespace, by the label of their pods."""
    tls: bool
    """Whether the API has a port with TLS."""
    model_store: bool
    """Whether workers download their model from an object store."""
    metadata_servers: tuple[str, ...] = ()
    """Processes that get credentials of their cloud from a link-local address: coordinators, workers, ranks."""
    traces_port: int | None = None
    """Port of the collector of traces; None without one."""
    leader_worker_sets: tuple[str, ...] = ()
    """Sets whose pods connect to each other on any port."""


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
        yield namespace, "dns", _allow_egress(_select_clients(traffic.own_databases), dns)
    coordinators_here, workers_here = _select(COORDINATORS), _select(WORKERS)
    coordinators_there, workers_there = _peer(NAMESPACE, COORDINATORS), _peer(workers, WORKERS)
    ports = traffic.ports
    api, registration, requests = [_port(ports.http)], [_port(ports.grpc)], [_port(ports.worker)]
    monitoring = _peer(traffic.monitoring_namespace)
    # Clients, load balancers and probes of the API have any address; API keys protect it.
    if traffic.tls:
        yield NAMESPACE, "coordinators-from-clients", _allow_ingress(coordinators_here, [_port(ports.https)])
        yield NAMESPACE, "coordinators-from-cluster", _allow_ingress(coordinators_here, api, [_any_pod()])
    else:
        yield NAMESPACE, "coordinators-from-clients", _allow_ingress(coordinators_here, api)
    yield NAMESPACE, "coordinators-from-workers", _allow_ingress(coordinators_here, registration, [workers_there])
    yield NAMESPACE, "coordinators-to-workers", _allow_egress(coordinators_here, requests, [workers_there])
    yield workers, "workers-to-coordinators", _allow_egress(workers_here, registration, [coordinators_there])
    yield workers, "workers-from-coordinators", _allow_ingress(workers_here, requests, [coordinators_there])
    scraped = [_port(ports.metrics)]
    yield NAMESPACE, "coordinators-from-monitoring", _allow_ingress(coordinators_here, scraped, [monitoring])
    yield workers, "workers-from-monitoring", _allow_ingress(workers_here, requests, [monitoring])
    for service, ranges in (("database", traffic.database_ports), ("redis", traffic.redis_ports)):
        if ranges:
            opened = [_port(item.first, last=item.last) for item in ranges]
            yield NAMESPACE, f"coordinators-to-{service}", _allow_egress(coordinators_here, opened)
    for server, number in traffic.own_databases.items():
        opened = [_port(number)]
        yield (
            NAMESPACE,
            f"coordinators-to-{server}",
            _allow_egress(coordinators_here, opened, [_peer(NAMESPACE, server)]),
        )
        yield NAMESPACE, f"{server}-from-coordinators", _allow_ingress(_select(server), opened, [coordinators_there])
    processes = {"coordinators": (NAMESPACE, COORDINATORS), "workers": (workers, WORKERS)}
    if traffic.leader_worker_sets:
        processes["ranks"] = (workers, RANKS)
    for process, (namespace, name) in processes.items():
        if traffic.model_store and process != "coordinators":
            yield namespace, f"{process}-to-model-store", _allow_egress(_select(name), [_port(_HTTPS_PORT)])
        if process in traffic.metadata_servers:
            yield namespace, f"{process}-to-metadata-server", _allow_egress(_select(name), *_metadata_server())
        if traffic.traces_port is not None and process != "ranks":
            yield namespace, f"{process}-to-traces", _allow_egress(_select(name), [_port(traffic.traces_port)])
    for name in traffic.leader_worker_sets:
        group = k8s.meta.v1.LabelSelectorArgs(match_labels={LWS_NAME_LABEL: name})
        peers = [k8s.networking.v1.NetworkPolicyPeerArgs(pod_selector=group)]
        # MPI and NCCL choose their ports.
        yield workers, f"{name}-ranks-in", _allow_ingress(group, None, peers)
        yield workers, f"{name}-ranks-out", _allow_egress(group, None, peers)


def _metadata_server() -> tuple[
    list[k8s.networking.v1.NetworkPolicyPortArgs], list[k8s.networking.v1.NetworkPolicyPeerArgs]
]:
    """Return the ports and the addresses of the clouds' metadata servers."""
    block = k8s.networking.v1.IPBlockArgs(cidr=_METADATA_NETWORK)
    return [_port(port) for port in _METADATA_PORTS], [k8s.networking.v1.NetworkPolicyPeerArgs(ip_block=block)]


def _select_clients(own_databases: Mapping[str, int]) -> k8s.meta.v1.LabelSelectorArgs:
    """Select the pods that connect to others: all of the stack but its databases."""
    others = k8s.meta.v1.LabelSelectorRequirementArgs(key=NAME_LABEL, operator="NotIn", values=list(own_databases))
    return k8s.meta.v1.LabelSelectorArgs(
        match_labels={PART_OF_LABEL: PART_OF}, match_expressions=[others] if own_databases else None
    )


def _select(name: str) -> k8s.meta.v1.LabelSelectorArgs:
    return k8s.meta.v1.LabelSelectorArgs(match_labels=select_pods(name))


def _peer(namespace: str, name: str | None = None) -> k8s.networking.v1.NetworkPolicyPeerArgs:
    """Return pods of a namespace: all of them, or those of a name."""
    return k8s.networking.v1.NetworkPolicyPeerArgs(
        namespace_selector=k8s.meta.v1.LabelSelectorArgs(match_labels={_NAMESPACE_LABEL: namespace}),
        pod_selector=None if name is None else _select(name),
    )


def _any_pod() -> k8s.networking.v1.NetworkPolicyPeerArgs:
    """Return the pods of all namespaces."""
    return k8s.networking.v1.NetworkPolicyPeerArgs(namespace_selector=k8s.meta.v1.LabelSelectorArgs())


def _port(
    port: pulumi.Input[int], protocol: str = "TCP", last: int | None = None
) -> k8s.networking.v1.NetworkPolicyPortArgs:
    """Return a port, or the ports from `port` to `last`."""
    return k8s.networking.v1.NetworkPolicyPortArgs(port=port, end_port=last, protocol=protocol)


def _deny_all() -> k8s.networking.v1.NetworkPolicySpecArgs:
    return k8s.networking.v1.NetworkPolicySpecArgs(
        pod_selector=k8s.meta.v1.LabelSelectorArgs(), policy_types=["Ingress", "Egress"]
    )


def _allow_ingress(
    pods: k8s.meta.v1.LabelSelectorArgs,
    ports: Sequence[k8s.networking.v1.NetworkPolicyPortArgs] | None,
    peers: Sequence[k8s.networking.v1.NetworkPolicyPeerArgs] | None = None,
) -> k8s.networking.v1.NetworkPolicySpecArgs:
    """Allow connections to ports of pods, or to all of them, from some peers or from everywhere."""
    return k8s.networking.v1.NetworkPolicySpecArgs(
        pod_selector=pods,
        policy_types=["Ingress"],
        ingress=[k8s.networking.v1.NetworkPolicyIngressRuleArgs(from_=peers, ports=ports)],
    )


def _allow_egress(
    pods: k8s.meta.v1.LabelSelectorArgs,
    ports: Sequence[k8s.networking.v1.NetworkPolicyPortArgs] | None,
    peers: Sequence[k8s.networking.v1.NetworkPolicyPeerArgs] | None = None,
) -> k8s.networking.v1.NetworkPolicySpecArgs:
    """Allow connections of pods to ports, or to all of them, of some peers or of every address."""
    return k8s.networking.v1.NetworkPolicySpecArgs(
        pod_selector=pods,
        policy_types=["Egress"],
        egress=[k8s.networking.v1.NetworkPolicyEgressRuleArgs(to=peers, ports=ports)],
    )
