"""The control plane: etcd, API server, controller manager and scheduler."""

from __future__ import annotations

import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools.cluster.binaries import report
from tools.cluster.certificates import Authority, encode_key, write_private
from tools.cluster.processes import Processes

SERVICE_NETWORK, POD_NETWORK = "10.96.0.0/16", "10.244.0.0/16"
API_SERVICE = "10.96.0.1"
_AGGREGATOR = "aggregator"
"""User of the API server at servers that answer a part of its API."""
_AUTOSCALING_PERIOD_S = 3
"""How often the number of replicas is decided: 15 s by default, which tests would wait for."""
_SYSTEM_USERS = ("kube-controller-manager", "kube-scheduler", "kube-proxy")


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running control plane."""

    authority: Authority
    folder: Path
    server: str
    """URL of the API server."""

    def kubeconfig(self, name: str, user: str, group: str | None = None) -> Path:
        """Write the kubeconfig of a user. Returns its file."""
        client = self.authority.issue(name, user, group=group)
        return self.authority.write_kubeconfig(self.folder / f"{name}.kubeconfig", self.server, client)


def start_control_plane(
    processes: Processes, folder: Path, *, address: str, listen: str, api_port: int, etcd_ports: tuple[int, int]
) -> ControlPlane:
    """Start the control plane and wait until it answers.

    Args:
        processes: starts the programs.
        folder: folder of the cluster, where keys and data go.
        address: address of the API server for pods and nodes.
        listen: address that it listens on.
        api_port: its port.
        etcd_ports: etcd's ports for clients and for peers, on 127.0.0.1.
    """
    authority = Authority(folder / "pki")
    names = (
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "localhost",
        "127.0.0.1",
        API_SERVICE,
        address,
    )
    server = authority.issue("kube-apiserver", "kube-apiserver", addresses=tuple(dict.fromkeys(names)))
    kubelet_client = authority.issue("kubelet-client", "kube-apiserver-kubelet-client", group="system:masters")
    aggregator = authority.issue("aggregator", _AGGREGATOR)
    signing, verifying = _service_account_keys(folder / "pki")
    plane = ControlPlane(authority, folder, f"https://127.0.0.1:{api_port}")
    admin = plane.kubeconfig("admin", "kubernetes-admin", "system:masters")

    report("starting etcd and the API server")
    client_url, peer_url = (f"http://127.0.0.1:{port}" for port in etcd_ports)
    processes.start(
        "etcd",
        *("--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--log-level=warn"),
        *("--listen-client-urls", client_url, "--advertise-client-urls", client_url),
        *("--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url),
        *("--initial-cluster", f"default={peer_url}"),
    )
    processes.start(
        "kube-apiserver",
        *("--etcd-servers", client_url, "--bind-address", listen, "--secure-port", str(api_port)),
        *("--advertise-address", address, "--service-cluster-ip-range", SERVICE_NETWORK),
        *("--tls-cert-file", str(server.certificate_file), "--tls-private-key-file", str(server.key_file)),
        *("--client-ca-file", str(authority.certificate_file), "--authorization-mode", "Node,RBAC"),
        *("--enable-admission-plugins", "NodeRestriction", "--anonymous-auth=false"),
        *("--service-account-issuer", "https://kubernetes.default.svc"),
        *("--service-account-key-file", str(verifying), "--service-account-signing-key-file", str(signing)),
        *("--kubelet-client-certificate", str(kubelet_client.certificate_file)),
        *("--kubelet-client-key", str(kubelet_client.key_file), "--kubelet-preferred-address-types", "InternalIP"),
        # For APIs that another server answers, such as the metrics of KEDA.
        *("--proxy-client-cert-file", str(aggregator.certificate_file)),
        *("--proxy-client-key-file", str(aggregator.key_file), "--requestheader-allowed-names", _AGGREGATOR),
        *("--requestheader-client-ca-file", str(authority.certificate_file)),
        *("--requestheader-username-headers", "X-Remote-User", "--requestheader-group-headers", "X-Remote-Group"),
        *("--requestheader-extra-headers-prefix", "X-Remote-Extra-"),
    )
    context = ssl.create_default_context(cafile=authority.certificate_file)
    context.load_cert_chain(kubelet_client.certificate_file, kubelet_client.key_file)
    processes.wait_until("the API server being ready", lambda: _answers(f"{plane.server}/readyz", context))
    users = {name: plane.kubeconfig(name, f"system:{name}") for name in _SYSTEM_USERS}
    processes.start(
        "kube-controller-manager",
        *("--kubeconfig", str(users["kube-controller-manager"]), "--leader-elect=false", "--bind-address=127.0.0.1"),
        *("--use-service-account-credentials", "--service-account-private-key-file", str(signing)),
        *("--root-ca-file", str(authority.certificate_file), "--secure-port=0"),
        *("--allocate-node-cidrs", "--cluster-cidr", POD_NETWORK, "--service-cluster-ip-range", SERVICE_NETWORK),
        *("--horizontal-pod-autoscaler-sync-period", f"{_AUTOSCALING_PERIOD_S}s"),
        "--node-monitor-grace-period=10m",  # nodes of a busy machine report late, and are not lost
        # The default, 20 requests a second, is for large clusters with several API servers.
        *("--kube-api-qps=200", "--kube-api-burst=400"),
    )
    processes.start(
        "kube-scheduler",
        *("--kubeconfig", str(users["kube-scheduler"]), "--leader-elect=false", "--secure-port=0"),
    )
    report(f"the API server answers; kubeconfig: {admin}")
    return plane


def _answers(url: str, context: ssl.SSLContext) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _service_account_keys(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    signing, verifying = folder / "service-accounts.key", folder / "service-accounts.pub"
    write_private(signing, encode_key(key))
    public = key.public_key()
    write_private(
        verifying,
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    )
    return signing, verifying
