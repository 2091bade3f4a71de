"""Starts, shows and stops clusters on this machine: `python -m tools.cluster COMMAND`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tools.cluster.binaries import (
    CONTROL_PLANE,
    NODE,
    SIMULATED_NODES,
    ClusterError,
    UnsupportedMachineError,
    build,
    report,
)
from tools.cluster.cluster import Cluster, check_node_requirements
from tools.cluster.trial_images import build_images

PUBLISHED_PORT = 30080
"""Port of the node that is reachable at the same port of 127.0.0.1."""
UNSUPPORTED_MACHINE = 3
"""Exit status of a command that this machine cannot carry out. CI continues without it."""


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m tools.cluster", description="Kubernetes clusters on this machine.")
    parser.add_argument("--name", default="node", help="name of the cluster")
    commands = parser.add_subparsers(dest="command", required=True)
    build_programs = commands.add_parser("build", help="build the programs of a real node or of simulated nodes")
    build_programs.add_argument("kind", choices=("node", "simulated"))
    commands.add_parser("images", help="build the images of the stack `trial` without a registry")
    up = commands.add_parser("up", help="start a cluster")
    up.add_argument(
        "--simulated", type=Path, metavar="FILE", help="JSON list of simulated nodes, in place of a real node"
    )
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
            build(CONTROL_PLANE + (NODE if arguments.kind == "node" else SIMULATED_NODES))
        elif arguments.command == "images":
            build_images()
        elif arguments.command == "up":
            nodes = json.loads(arguments.simulated.read_text()) if arguments.simulated else None
            cluster.up(nodes, tuple(arguments.publish) if nodes is None else ())
            sys.stdout.write(f"export KUBECONFIG={cluster.kubeconfig}\n")
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
    except ClusterError as error:
        report(f"error: {error}")
        sys.exit(UNSUPPORTED_MACHINE if isinstance(error, UnsupportedMachineError) else 1)


if __name__ == "__main__":
    main()
