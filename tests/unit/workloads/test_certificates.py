"""Certificates of the API, and their issuers in every cloud."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pytest
from novacron_infra.workloads.cert_manager import (
    AzureDnsSolver,
    CloudDnsSolver,
    DnsSolver,
    ManagedIdentity,
    Route53Solver,
)
from novacron_infra.workloads.certificates import (
    CertificateNames,
    declare_public_certificate,
    declare_self_signed_certificate,
)
from pulumi.runtime import mocks

from tests.definitions import check_object
from tests.unit.graph import Graph, record

SOLVERS: dict[str, DnsSolver] = {
    "route53": Route53Solver(zone_id="Z1", role="arn:aws:iam::123456789012:role/a"),
    "cloudDNS": CloudDnsSolver(project="acme", hosted_zone_name="zone"),
    "azureDNS": AzureDnsSolver(
        subscription_id="s", resource_group_name="g", hosted_zone_name="a.com",
        managed_identity=ManagedIdentity(client_id="c"),
    ),
}  # fmt: skip


class _Cluster(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError(args.token)


def declare(names: CertificateNames, solver: DnsSolver | None) -> Graph:
    def program(opts: pulumi.ResourceOptions) -> None:
        if solver is None:
            declare_self_signed_certificate("api", names, opts)
        else:
            declare_public_certificate("api", names, solver, opts)

    return record(program, _Cluster(), lambda: k8s.Provider("cluster", kubeconfig="{}"), packages=("kubernetes:",))


def find(graph: Graph, kind: str) -> dict[str, Any]:
    (found,) = [item.inputs for item in graph.resources if item.type.endswith(f":{kind}")]
    return found


@pytest.mark.parametrize("key", SOLVERS)
def test_public_certificate_fits_its_definition_and_names_the_zone(key: str) -> None:
    graph = declare(CertificateNames(dns_names=("api.a.com",)), SOLVERS[key])
    issuer = find(graph, "ClusterIssuer")
    (solver,) = issuer["spec"]["acme"]["solvers"]
    assert list(solver["dns01"]) == [key]
    assert issuer["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Ready"
    certificate = find(graph, "Certificate")
    assert certificate["spec"]["dnsNames"] == ["api.a.com"]
    assert certificate["spec"]["issuerRef"] == {"kind": "ClusterIssuer", "name": "llm-api-tls"}
    # Only the role in AWS trusts tokens that cert-manager creates itself.
    assert any(item.type.endswith(":RoleBinding") for item in graph.resources) is (key == "route53")
    for item in graph.resources:
        check_object(item.inputs)


def test_self_signed_certificate_is_for_the_address() -> None:
    graph = declare(CertificateNames(ip_addresses=("203.0.113.7",)), None)
    certificate = find(graph, "Certificate")
    assert certificate["spec"]["ipAddresses"] == ["203.0.113.7"]
    assert "dnsNames" not in certificate["spec"]
    assert find(graph, "Issuer")["spec"] == {"selfSigned": {}}
    for item in graph.resources:
        check_object(item.inputs)
