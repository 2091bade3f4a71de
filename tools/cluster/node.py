"""A node that runs containers: containerd, kubelet, kube-proxy, DNS and network policies."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tools.cluster.binaries import UnsupportedMachineError, report
from tools.cluster.control_plane import POD_NETWORK, SERVICE_NETWORK, ControlPlane
from tools.cluster.processes import Processes, kubectl, run

NAME = "node-1"
ADDRESS = "10.244.0.1"
"""Address of the node, of the API server for pods, and of the cluster's DNS. Pods have addresses of 10.244.0.0/24."""
PAUSE_IMAGE = "localhost/pause:1"
CONTAINERD = "/run/containerd/containerd.sock"
_BRIDGE, _PODS = "nvk0", "10.244.0.0/24"
NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""Runs a command in namespaces of its own. All processes in them end with it."""
_BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_CONTROLLERS = {"cpu", "cpuset", "memory", "pids"}
_CNI_PLUGINS = ("/usr/lib/cni", "/opt/cni/bin")


def prepare_network() -> None:
    """Create the pods' bridge in this network namespace, which has no other way out."""
    for command in (
        ("ip", "link", "set", "lo", "up"),
        ("ip", "link", "add", _BRIDGE, "type", "bridge"),
        ("ip", "addr", "add", f"{ADDRESS}/24", "dev", _BRIDGE),
        ("ip", "link", "set", _BRIDGE, "up"),
    ):
        run(*command)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    _BRIDGE_FILTER.write_text("1")


def check_kernel() -> None:
    """Check the kernel features and the plugins of a real node.

    Raises:
        UnsupportedMachineError: one is missing.
    """
    tried = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise UnsupportedMachineError(f"a real node needs namespaces of its own: {tried.stderr.strip()}")
    missing = sorted(_CONTROLLERS - _find_controllers())
    if missing:
        raise UnsupportedMachineError(
            f"a real node needs control groups that it may write: {', '.join(missing)} missing in {_CONTROL_GROUPS}"
        )
    if not _BRIDGE_FILTER.exists():
        raise UnsupportedMachineError(
            "the kernel does not filter bridged packets; load its module: modprobe br_netfilter"
        )
    if _find_network_plugins() is None:
        raise UnsupportedMachineError("the CNI plugins are missing; apt-get install containernetworking-plugins")


def _find_controllers() -> set[str]:
    unified = _CONTROL_GROUPS / "cgroup.controllers"
    if unified.exists():
        return set(unified.read_text().split()) if os.access(_CONTROL_GROUPS, os.W_OK) else set()
    return {name for name in _CONTROLLERS if os.access(_CONTROL_GROUPS / name, os.W_OK)}


def _find_network_plugins() -> str | None:
    return next((path for path in _CNI_PLUGINS if Path(path, "bridge").exists()), None)


def start_node(processes: Processes, plane: ControlPlane, programs: Mapping[str, Path]) -> None:
    """Start the node and wait until it is Ready."""
    folder = plane.folder
    report("starting containerd, kubelet, kube-proxy, DNS and the network-policy controller")
    _start_containerd(processes, folder, programs)
    kubelet = plane.kubeconfig("kubelet", f"system:node:{NAME}", "system:nodes")
    processes.start("kubelet", *_kubelet_arguments(plane, kubelet))
    processes.start("kube-proxy", "--config", str(_write_proxy_config(folder)))
    processes.start("coredns", "-conf", str(_write_dns_config(folder)))

    admin = folder / "admin.kubeconfig"

    def is_ready() -> bool:
        path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        found = kubectl(programs["kubectl"], admin, "get", "node", NAME, "-o", path, check=False)
        return found.stdout == "True"

    processes.wait_until("the node being Ready", is_ready, 120)
    processes.start(
        "kube-router",
        *("--kubeconfig", str(admin), "--hostname-override", NAME),
        *("--run-router=false", "--run-firewall=true", "--run-service-proxy=false", "--run-loadbalancer=false"),
        *("--service-cluster-ip-range", SERVICE_NETWORK),
    )


def _start_containerd(processes: Processes, folder: Path, programs: Mapping[str, Path]) -> None:
    plugins = _find_network_plugins()
    networks = folder / "cni"
    networks.mkdir(exist_ok=True)
    bridge = {
        "type": "bridge",
        "bridge": _BRIDGE,
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": _PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    network = {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]}
    (networks / "10-pods.conflist").write_text(json.dumps(network))
    config = folder / "containerd.toml"
    config.write_text(f"""\
version = 3
root = "{folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "{CONTAINERD}"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "{_choose_snapshotter(folder)}"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{plugins}"]
    conf_dir = "{networks}"
""")
    # containerd looks for its shim on PATH.
    path = f"{programs['containerd-shim-runc-v2'].parent}:/usr/sbin:/usr/bin:/sbin:/bin"
    processes.start("containerd", "--config", str(config), environment={"PATH": path})
    processes.wait_until("containerd listening", Path(CONTAINERD).exists)
    archive = folder / "pause.tar"
    archive.write_bytes(_pause_image(programs["pause"]))
    run(str(programs["ctr"]), "-a", CONTAINERD, "-n", "k8s.io", "images", "import", str(archive))
    archive.unlink()


def _choose_snapshotter(folder: Path) -> str:
    """Return overlayfs where the folder's filesystem permits it. The other one copies an image for each container."""
    with tempfile.TemporaryDirectory(dir=folder) as tried:
        lower, upper, work, merged = (Path(tried, name) for name in ("lower", "upper", "work", "merged"))
        for part in (lower, upper, work, merged):
            part.mkdir()
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        mounted = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, str(merged)], capture_output=True, check=False
        )
        if mounted.returncode:
            return "native"
        run("umount", str(merged))
    return "overlayfs"


def _kubelet_arguments(plane: ControlPlane, kubeconfig: Path) -> list[str]:
    folder = plane.folder
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(plane.authority.certificate_file)},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup_name(folder)}",
        "clusterDNS": [ADDRESS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
        "enforceNodeAllocatable": ["pods"],
        "evictionHard": {"memory.available": "100Mi"},
        "failCgroupV1": False,
        "failSwapOn": False,
        # Images are imported and cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "imageMaximumGCAge": "0s",
        "podCIDR": _PODS,
        "podLogsDir": str(folder / "pods"),
        "resolvConf": "",
        "shutdownGracePeriod": "0s",
    }
    file = folder / "kubelet.json"
    file.write_text(json.dumps(config))
    return [
        *("--kubeconfig", str(kubeconfig), "--config", str(file), "--root-dir", str(folder / "kubelet")),
        *("--cert-dir", str(folder / "kubelet" / "pki"), "--hostname-override", NAME, "--node-ip", ADDRESS),
    ]


def cgroup_name(folder: Path) -> str:
    """Return the name of the control group of the pods of the cluster in this folder."""
    return f"novacron-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def _write_proxy_config(folder: Path) -> Path:
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(folder / "kube-proxy.kubeconfig")},
        "clusterCIDR": POD_NETWORK,
        "hostnameOverride": NAME,
        "conntrack": {"maxPerCore": 0},
    }
    file = folder / "kube-proxy.json"
    file.write_text(json.dumps(config))
    return file


def _write_dns_config(folder: Path) -> Path:
    file = folder / "Corefile"
    kubeconfig = folder / "admin.kubeconfig"
    # The node reaches no other server: names outside the cluster do not exist, rather than fail for now.
    file.write_text(
        f"cluster.local in-addr.arpa {{\n bind {ADDRESS}\n errors\n"
        f" kubernetes cluster.local in-addr.arpa {{\n  kubeconfig {kubeconfig} novacron\n }}\n}}\n"
        f". {{\n bind {ADDRESS}\n errors\n template ANY ANY {{\n  rcode NXDOMAIN\n }}\n}}\n"
    )
    return file


def _pause_image(program: Path) -> bytes:
    """Return an OCI archive whose image has this program alone."""
    layer = _tar({"pause": program.read_bytes()})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    blobs: dict[str, bytes] = {}

    def add(content: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {
            "mediaType": f"application/vnd.oci.image.{media_type}",
            "digest": f"sha256:{digest}",
            "size": len(content),
        }

    manifest = {
        "schemaVersion": 2,
        "config": add(json.dumps(config).encode(), "config.v1+json"),
        "layers": [add(layer, "layer.v1.tar")],
    }
    described = add(json.dumps(manifest).encode(), "manifest.v1+json")
    described["annotations"] = {
        "io.containerd.image.name": PAUSE_IMAGE,
        "org.opencontainers.image.ref.name": PAUSE_IMAGE,
    }
    index = {"schemaVersion": 2, "manifests": [described]}
    return _tar({**blobs, "index.json": json.dumps(index).encode(), "oci-layout": b'{"imageLayoutVersion": "1.0.0"}'})


def _tar(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
