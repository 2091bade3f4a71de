"""Cost of the simulated clouds: `python -m tests.bench.clouds`.

Previews 200 resources of all four SDKs with a provider that accepts every input, with the simulated clouds in one
server (first and second preview), and with one plugin process for each cloud. Prints wall time, CPU and memory of
engine, program and plugins, and CPU and memory of the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import psutil
from novacron_rehearsal.clouds import write_plugins

from tests.bench.engine import Figures, measure
from tests.rehearsal.conftest import Simulated, serve

PACKAGES = ("aws", "gcp", "azure-native", "kubernetes")

ENGINE = """
import json, sys
from pathlib import Path
from novacron_rehearsal import Options, Workspace
ports, plugins = json.loads(sys.argv[2]), {name: Path(path) for name, path in json.loads(sys.argv[3]).items()}
workspace = Workspace(Path(sys.argv[1]), "bench", passphrase="bench")
result = workspace.preview(Options(attached_providers=ports, plugin_paths=plugins))
sys.exit(0 if result.succeeded else result.errors)
"""

PROGRAM = """
import pulumi_aws as aws, pulumi_azure_native as azure, pulumi_gcp as gcp, pulumi_kubernetes as k8s
for i in range(10):
    vpc = aws.ec2.Vpc(f"a{i}", cidr_block="10.0.0.0/16")
    subnet = aws.ec2.Subnet(f"a{i}", vpc_id=vpc.id, cidr_block="10.0.0.0/24")
    role = aws.iam.Role(f"a{i}", assume_role_policy="{}")
    cluster = aws.eks.Cluster(f"a{i}", role_arn=role.arn, vpc_config={"subnet_ids": [subnet.id]})
    aws.eks.NodeGroup(
        f"a{i}", cluster_name=cluster.name, node_role_arn=role.arn, subnet_ids=[subnet.id],
        scaling_config={"desired_size": 1, "min_size": 1, "max_size": 1},
    )
    network = gcp.compute.Network(f"g{i}", auto_create_subnetworks=False)
    subnet = gcp.compute.Subnetwork(f"g{i}", network=network.id, ip_cidr_range="10.0.0.0/16", region="us-east4")
    account = gcp.serviceaccount.Account(f"g{i}", account_id=f"g{i}")
    cluster = gcp.container.Cluster(f"g{i}", location="us-east4", network=network.id, initial_node_count=1)
    gcp.container.NodePool(f"g{i}", cluster=cluster.id, node_config={"machine_type": "a3-highgpu-8g"})
    group = azure.resources.ResourceGroup(f"z{i}", location="eastus")
    network = azure.network.VirtualNetwork(
        f"z{i}", resource_group_name=group.name, address_space={"address_prefixes": ["10.0.0.0/8"]}
    )
    azure.network.Subnet(f"z{i}", resource_group_name=group.name, virtual_network_name=network.name)
    cluster = azure.containerservice.ManagedCluster(f"z{i}", resource_group_name=group.name, dns_prefix="gpu")
    azure.containerservice.AgentPool(f"z{i}", resource_group_name=group.name, resource_name_=cluster.name, count=1)
    space = k8s.core.v1.Namespace(f"k{i}")
    in_space, labels = {"namespace": space.metadata.name}, {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    selector = {"match_labels": labels}
    k8s.apps.v1.Deployment(f"k{i}", metadata=in_space, spec={"selector": selector, "template": template})
    k8s.core.v1.Service(f"k{i}", metadata=in_space, spec={"ports": [{"port": 80}]})
    k8s.core.v1.ConfigMap(f"k{i}", metadata=in_space, data={"a": "b"})
    k8s.core.v1.Secret(f"k{i}", metadata=in_space, string_data={"a": "b"})
"""


def preview(folder: Path, ports: dict[str, int], plugins: dict[str, Path]) -> Figures:
    """Run one preview in a new process."""
    paths = {name: str(path) for name, path in plugins.items()}
    command = [sys.executable, "-c", ENGINE, str(folder), json.dumps(ports), json.dumps(paths)]
    return measure(command, dict(os.environ), folder)


def print_row(label: str, figures: Figures, server: str = "") -> None:
    """Print a row of the table."""
    sys.stdout.write(f"{label:<42} {figures.wall_s:>7.2f} {figures.cpu_s:>7.2f} {figures.peak_mib:>6.0f}  {server}\n")
    sys.stdout.flush()


def main() -> None:
    """Print the table."""
    sys.stdout.write(f"{'preview of 200 resources':<42} {'wall s':>7} {'CPU s':>7} {'MiB':>6}  server: CPU s, MiB\n")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
        (folder / "__main__.py").write_text(PROGRAM)
        plain = {package: stack.enter_context(serve(Simulated())) for package in PACKAGES}
        preview(folder, plain, {})  # byte code and file caches
        print_row("a provider that accepts every input", preview(folder, plain, {}))
        command = [sys.executable, "-m", "novacron_rehearsal.clouds", "serve"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            listed = server.stdout.readline().strip().partition("=")[2].split(",")
            ports = {package: int(port) for package, _, port in (entry.partition(":") for entry in listed)}
            process, used = psutil.Process(server.pid), 0.0
            for which in ("first", "second"):
                figures = preview(folder, ports, {})
                times = process.cpu_times()
                total = times.user + times.system
                print_row(
                    f"simulated, attached, {which} preview",
                    figures,
                    f"{total - used:.2f}, {process.memory_info().rss >> 20}",
                )
                used = total
            server.terminate()
        print_row("simulated, four plugin processes", preview(folder, {}, write_plugins(folder / "plugins")))


if __name__ == "__main__":
    main()
