"""How clients reach a stack's coordinators: by a Service of each kind, or by a Gateway of the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.definitions import check_object
from tests.unit.workloads.cluster import declare, get


@pytest.mark.parametrize(
    ("access", "kind", "endpoint"),
    [
        ({}, "ClusterIP", "http://llm-api.novacron-llm.svc:8080/v1"),
        ({"kind": "node-port"}, "NodePort", "http://llm-api.novacron-llm.svc:8080/v1"),
        ({"kind": "node-port", "address": "192.0.2.1"}, "NodePort", "http://192.0.2.1:31234/v1"),
        (
            {"kind": "node-port", "address": "node.example.com", "node_port": 30080},
            "NodePort",
            "http://node.example.com:30080/v1",
        ),
        ({"kind": "load-balancer"}, "LoadBalancer", "http://203.0.113.7:8080/v1"),
        ({"kind": "load-balancer", "address": "llm.example.com"}, "LoadBalancer", "http://llm.example.com:8080/v1"),
    ],
)
def test_clients_reach_coordinators_as_configured(access: dict[str, Any], kind: str, endpoint: str) -> None:
    stack = declare(access=access)
    service = stack.one("Service", "llm-api")
    assert get(service, "spec.type") == kind
    assert get(service, "spec.selector") == {"app.kubernetes.io/name": "llm-coordinator"}
    assert stack.endpoint == endpoint
    assert get(service, "spec.ports")[0].get("nodePort") == access.get("node_port")


@pytest.mark.parametrize(("tls", "scheme"), [(True, "https"), (False, "http")])
def test_a_gateway_sends_the_api_of_a_host_name_to_coordinators_and_nothing_else(tls: bool, scheme: str) -> None:
    gateway = {"name": "public", "namespace": "gateways", "listener": "https", "tls": tls}
    access = {"kind": "gateway", "address": "llm.example.com", "gateway": gateway}
    stack = declare(access=access, add_ons={"gateway_api": "existing"})
    assert stack.endpoint == f"{scheme}://llm.example.com/v1"
    assert get(stack.one("Service", "llm-api"), "spec.type") == "ClusterIP"
    route = stack.one("HTTPRoute", "llm-api")
    check_object(route.inputs)
    assert get(route, "spec.parentRefs") == [{"name": "public", "namespace": "gateways", "sectionName": "https"}]
    assert get(route, "spec.hostnames") == ["llm.example.com"]
    (rule,) = get(route, "spec.rules")
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/v1"}}]
    assert rule["backendRefs"] == [{"name": "llm-api", "port": 8080}]
