"""Certificates for the traffic between coordinators and workers, which cert-manager issues and renews.

A CA of the stack's own signs one certificate for coordinators and one for workers. Its private key is in
cert-manager's namespace alone. Processes load renewed certificates without a restart, and streams in flight continue.
The CA is renewed with the same private key, so that certificates from before and after its renewal verify each other.
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from novacron_infra.workloads import serving_contract as contract
from novacron_infra.workloads.cert_manager import (
    CERT_MANAGER,
    CERTIFICATE,
    CLUSTER_ISSUER,
    Ca,
    CertificateSpec,
    IssuerRef,
    IssuerSpec,
    PrivateKey,
    SelfSigned,
)
from novacron_infra.workloads.custom_resources import declare_custom_resource
from novacron_infra.workloads.names import COORDINATORS, PART_OF, WORKERS
from novacron_infra.workloads.options import after
from novacron_infra.workloads.pods import CERTIFICATE_FOLDER, label_object
from novacron_infra.workloads.serving_config import ClusterTlsFile

SERVER_NAME = "novacron-cluster"
"""DNS name in the certificates. It stands for the cluster, because the addresses of pods change."""
ISSUER = "novacron-cluster"
"""The ClusterIssuer that signs with the CA."""
_CA, _SELF_SIGNED = "novacron-cluster-ca", "novacron-self-signed"
_CA_HOURS, _CA_RENEWAL_HOURS = 87_600, 17_520
"""The CA is valid for ten years and renewed two years before its end."""
_HOURS, _RENEWAL_HOURS = 720, 240
"""A certificate and its key are valid for 30 days, and replaced ten days before: R14's rotation."""


def declare_cluster_tls(
    name: str, worker_namespace: str, coordinator_namespace: str, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """Declare the CA and the certificates of coordinators and workers. cert-manager must be in the cluster.

    Args:
        name: how the names of the Pulumi resources begin.
        worker_namespace: namespace of the workers.
        coordinator_namespace: namespace of the coordinators.
        opts: Pulumi's options.
    """
    self_signed = declare_custom_resource(
        f"{name}-{_SELF_SIGNED}",
        CLUSTER_ISSUER,
        label_object(_SELF_SIGNED, None, PART_OF),
        IssuerSpec(self_signed=SelfSigned()),
        opts,
    )
    ca = declare_custom_resource(
        f"{name}-{_CA}",
        CERTIFICATE,
        label_object(_CA, CERT_MANAGER, PART_OF),
        CertificateSpec(
            secret_name=_CA,
            issuer_ref=IssuerRef(name=_SELF_SIGNED),
            is_ca=True,
            common_name=_CA,
            duration=f"{_CA_HOURS}h",
            renew_before=f"{_CA_RENEWAL_HOURS}h",
            private_key=PrivateKey(rotation_policy="Never"),
        ),
        after(opts, self_signed),
    )
    issuer = declare_custom_resource(
        f"{name}-{ISSUER}",
        CLUSTER_ISSUER,
        label_object(ISSUER, None, PART_OF),
        IssuerSpec(ca=Ca(secret_name=_CA)),
        after(opts, ca),
    )
    return [
        declare_custom_resource(
            f"{name}-{pods}-certificate",
            CERTIFICATE,
            label_object(find_secret(pods), namespace, pods),
            describe_certificate(pods),
            after(opts, issuer),
        )
        for pods, namespace in ((COORDINATORS, coordinator_namespace), (WORKERS, worker_namespace))
    ]


def describe_certificate(pods: str) -> CertificateSpec:
    """Return the specification of the certificate of coordinators or workers, which are servers and clients alike."""
    return CertificateSpec(
        secret_name=find_secret(pods),
        issuer_ref=IssuerRef(name=ISSUER),
        dns_names=(SERVER_NAME,),
        usages=("digital signature", "server auth", "client auth"),
        duration=f"{_HOURS}h",
        renew_before=f"{_RENEWAL_HOURS}h",
    )


def find_secret(pods: str) -> str:
    """Return the name of the Secret with the certificate of coordinators or workers."""
    return f"{pods}-tls"


def add_cluster_tls(file: pulumi.Input[Mapping[str, object]]) -> pulumi.Output[Mapping[str, object]]:
    """Return a configuration file of a coordinator or worker with the paths of its certificate."""
    section: ClusterTlsFile = {
        "certificate": f"{CERTIFICATE_FOLDER}/{contract.CERTIFICATE_FILE}",
        "key": f"{CERTIFICATE_FOLDER}/{contract.KEY_FILE}",
        "ca": f"{CERTIFICATE_FOLDER}/{contract.CA_FILE}",
        "server_name": SERVER_NAME,
    }
    return pulumi.Output.from_input(file).apply(lambda content: {**content, "cluster_tls": section})
