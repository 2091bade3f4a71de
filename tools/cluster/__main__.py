"""Starts, shows and stops clusters on this machine: `python -m tools.cluster COMMAND`."""

from __future__ import annotations

import argparse
import shutil
import sys

from novacron_infra.plan import EnvironmentPlan
from novacron_ops.environment_plan import describe_missing_environment, load_plan
from novacron_ops.errors import OpsError
from novacron_ops.project import find_stack
from novacron_rehearsal.errors import RehearsalError

from tools.cluster import pulumi_cli
from tools.cluster.binaries import (
    CONTROL_PLANE,
    CONTROLLERS,
    KEDA,
    NODE,
    SIMULATED_NODES,
    ClusterError,
    UnsupportedMachineError,
    build,
    report,
)
from tools.cluster.cluster import ROOT, Cluster, check_node_requirements
from tools.cluster.planned_nodes import PlannedNode, describe_nodes, list_nodes
from tools.cluster.trial_images import build_images

PUBLISHED_PORT = 30080
"""Port of the node that is reachable at the same port of 127.0.0.1."""
_PROGRAMS = {
    "node": CONTROL_PLANE + NODE,
    "simulated": CONTROL_PLANE + SIMULATED_NODES,
    "controllers": CONTROLLERS,
    "pulumi": pulumi_cli.PROGRAMS,
    "keda": KEDA,
}
UNSUPPORTED_MACHINE = 3
"""Exit status of a command that this machine cannot carry out. CI continues without it."""


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m tools.cluster", description="Kubernetes clusters on this machine.")
    parser.add_argument("--name", default="node", help="name of the cluster")
    commands = parser.add_subparsers(dest="command", required=True)
    build_programs = commands.add_parser("build", help="build programs once, and keep them")
    build_programs.add_argument(
        "kind",
        choices=tuple(_PROGRAMS),
        help="of a real node, of simulated nodes, controllers of add-ons, or Pulumi's own",
    )
    commands.add_parser("images", help="build the images of the stack `trial` without a registry")
    up = commands.add_parser("up", help="start a cluster")
    up.add_argument("--stack", help="simulate the nodes of this stack's region, in place of a real node")
    up.add_argument("--region", help="the region; without it, the stack's first one")
    up.add_argument("--publish", type=int, nargs="*", default=[PUBLISHED_PORT], help="node ports to reach at 127.0.0.1")
    commands.add_parser("down", help="stop the cluster and remove what it made")
    commands.add_parser("status", help="print the kubeconfig of a running cluster")
    commands.add_parser("load", help="import the image archive on standard input")
    run = commands.add_parser("run", help="run a command in the node's namespaces")
    run.add_argument("inner", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    cluster = Cluster(arguments.name)
    try:
        if arguments.command == "build":
            if arguments.kind == "node":
                check_node_requirements()
            build(_PROGRAMS[arguments.kind])
            if arguments.kind == "pulumi":
                sys.stdout.write(f"export PATH={pulumi_cli.search_path()}:$PATH\n")
        elif arguments.command == "images":
            build_images()
        elif arguments.command == "up":
            if arguments.stack is None:
                cluster.up(None, tuple(arguments.publish))
                sys.stdout.write(f"export KUBECONFIG={cluster.kubeconfig}\n")
            else:
                nodes = list_nodes(_read_plan(arguments.stack), arguments.region)
                cluster.up([node.make_object() for node in nodes])
                _describe_simulated(cluster, nodes)
        elif arguments.command == "down":
            sys.stdout.write("stopped\n" if cluster.down() else "it was not running\n")
        elif arguments.command == "load":
            cluster.load(sys.stdin.buffer)
        elif arguments.command == "run":
            sys.exit(cluster.run(*arguments.inner, check=False).returncode)
        elif cluster.pid() is None:
            raise ClusterError(f"cluster {cluster.name!r} is not running")
        else:
            sys.stdout.write(f"{cluster.kubeconfig}\n")
    except (ClusterError, OpsError, RehearsalError) as error:
        report(f"error: {error}")
        sys.exit(UNSUPPORTED_MACHINE if isinstance(error, UnsupportedMachineError) else 1)


def _read_plan(name: str) -> EnvironmentPlan:
    stack = find_stack(name, ROOT)
    plan = load_plan(stack, as_json=False)
    if plan is None:
        raise ClusterError(describe_missing_environment(stack))
    if not isinstance(plan, EnvironmentPlan):
        place = plan.platform.value
        raise ClusterError(f"stack {name!r} has platform {place}, and so no node pools; name a stack on a cloud")
    return plan


def _describe_simulated(cluster: Cluster, nodes: list[PlannedNode]) -> None:
    """Write what runs on standard error, and on standard output the lines to type next."""
    lines = "".join(f"  {line}\n" for line in describe_nodes(nodes))
    sys.stderr.write(
        f"\n{lines}\n"
        "Objects, controllers and the scheduler are real. Nodes and pods are simulated: no container runs, and a pod\n"
        'is ready once it is scheduled. docs/kubernetes.md ("Simulated nodes") shows how to deploy a stack.\n'
        "`make cluster-down` stops the cluster. Type next:\n\n"
    )
    sys.stdout.write(f"export KUBECONFIG={cluster.kubeconfig}\n")
    if shutil.which("kubectl") is None:
        sys.stdout.write(f"alias kubectl={cluster.program('kubectl')}\n")
    sys.stdout.write("kubectl get nodes --label-columns novacron.io/node-type,topology.kubernetes.io/zone\n")


if __name__ == "__main__":
    main()
