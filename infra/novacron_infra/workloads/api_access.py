"""How clients reach the coordinators: the Service `llm-api`, the route of a Gateway to it, and its address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from novacron_infra.config.kubernetes import AccessKind, ApiAccess, ApiGateway
from novacron_infra.plan.serving import ServingPorts
from novacron_infra.workloads import pods
from novacron_infra.workloads.custom_resources import CustomKind, declare_custom_resource
from novacron_infra.workloads.names import API_SERVICE, COORDINATORS, NAMESPACE
from novacron_infra.workloads.options import after

HTTP_ROUTE = CustomKind(api_version="gateway.networking.k8s.io/v1", kind="HTTPRoute")
API_PATH = "/v1"
"""The paths that a Gateway's clients reach. Others, such as metrics and key administration, stay inside the cluster."""
_SERVICE_TYPES = {
    AccessKind.CLUSTER_IP: "ClusterIP",
    AccessKind.NODE_PORT: "NodePort",
    AccessKind.LOAD_BALANCER: "LoadBalancer",
    AccessKind.GATEWAY: "ClusterIP",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ParentReference:
    """The Gateway of a route, or one of its listeners."""

    name: str
    namespace: str
    section_name: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PathMatch:
    """Paths by their beginning."""

    type: str
    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteMatch:
    """The requests of a rule."""

    path: PathMatch


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendReference:
    """The Service that gets the requests."""

    name: str
    port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteTimeouts:
    """Limits of a request. `0s` means none."""

    request: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteRule:
    """Where requests go."""

    matches: Sequence[RouteMatch]
    backend_refs: Sequence[BackendReference]
    timeouts: RouteTimeouts


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRouteSpec:
    """The specification of an HTTPRoute."""

    parent_refs: Sequence[ParentReference]
    hostnames: Sequence[str]
    rules: Sequence[RouteRule]


def declare_access(
    stack: str, access: ApiAccess, ports: ServingPorts, opts: pulumi.ResourceOptions, *, tls: bool = False
) -> pulumi.Output[str]:
    """Declare the Service for clients, which is complete once a coordinator is ready, and the route of a Gateway.

    Args:
        stack: name of the ServingStack, with which the resources' names begin.
        access: how clients reach the coordinators.
        ports: the coordinators' ports.
        opts: Pulumi's options.
        tls: whether the API has a port with TLS.

    Returns:
        The base URL of the API: its address outside the cluster if that is known, otherwise the name inside.
    """
    service = _declare_service(f"{stack}-{API_SERVICE}", access, ports, opts, tls=tls)
    if access.gateway is not None and access.address is not None:
        _declare_route(f"{stack}-{API_SERVICE}-route", access.gateway, access.address, ports.http, after(opts, service))
    return _find_endpoint(access, ports.http, service)


def _declare_service(
    resource: str, access: ApiAccess, ports: ServingPorts, opts: pulumi.ResourceOptions, *, tls: bool
) -> k8s.core.v1.Service:
    https = k8s.core.v1.ServicePortArgs(name="https", port=ports.https, target_port="https", app_protocol="https")
    return k8s.core.v1.Service(
        resource,
        metadata=pods.label_object(API_SERVICE, NAMESPACE, COORDINATORS),
        spec=k8s.core.v1.ServiceSpecArgs(
            type=_SERVICE_TYPES[access.kind],
            selector=pods.select_pods(COORDINATORS),
            ports=[
                k8s.core.v1.ServicePortArgs(
                    name="http",
                    port=ports.http,
                    target_port="http",
                    node_port=access.node_port,
                    app_protocol="http",
                ),
                *((https,) if tls else ()),
            ],
        ),
        opts=opts,
    )


def _declare_route(
    resource: str, gateway: ApiGateway, host: str, http_port: int, opts: pulumi.ResourceOptions
) -> k8s.apiextensions.CustomResource:
    parent = ParentReference(name=gateway.name, namespace=gateway.namespace, section_name=gateway.listener)
    rule = RouteRule(
        matches=[RouteMatch(path=PathMatch(type="PathPrefix", value=API_PATH))],
        backend_refs=[BackendReference(name=API_SERVICE, port=http_port)],
        # Long answers take minutes. Coordinators have limits of their own.
        timeouts=RouteTimeouts(request="0s"),
    )
    return declare_custom_resource(
        resource,
        HTTP_ROUTE,
        pods.label_object(API_SERVICE, NAMESPACE, COORDINATORS),
        HttpRouteSpec(parent_refs=[parent], hostnames=[host], rules=[rule]),
        opts,
    )


def _find_endpoint(access: ApiAccess, http_port: int, service: k8s.core.v1.Service) -> pulumi.Output[str]:
    if access.gateway is not None:
        return pulumi.Output.from_input(f"{'https' if access.gateway.tls else 'http'}://{access.address}{API_PATH}")
    if access.kind is AccessKind.NODE_PORT and access.address is not None:
        port = service.spec.apply(lambda spec: spec.ports[0].node_port if spec.ports else None)
        return pulumi.Output.format("http://{0}:{1}/v1", access.address, access.node_port or port)
    if access.kind is AccessKind.LOAD_BALANCER:
        address = pulumi.Output.from_input(access.address) if access.address else service.status.apply(_find_address)
        return pulumi.Output.format("http://{0}:{1}/v1", address, http_port)
    return pulumi.Output.from_input(f"http://{API_SERVICE}.{NAMESPACE}.svc:{http_port}/v1")


def _find_address(status: k8s.core.v1.outputs.ServiceStatus | None) -> str:
    """Return the name or the address of a load balancer."""
    ingress = status.load_balancer.ingress if status and status.load_balancer else None
    first = ingress[0] if ingress else None
    return (first.hostname or first.ip or "") if first else ""
