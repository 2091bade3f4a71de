"""The first process of a cluster: starts all others, then waits. That of a real node has namespaces of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tools.cluster import node, simulated_nodes
from tools.cluster.binaries import ClusterError, report
from tools.cluster.control_plane import start_control_plane
from tools.cluster.processes import Processes, run

PRIVATE_FOLDERS = ("/run", "/var/lib/cni", "/var/log/containers")
"""Folders that a node's programs write to wherever its own folder is. Each node has its own."""
READY = "ready"
"""The last line that `up` reads."""


def main() -> None:
    """Start the cluster in the folder of the first argument, whose `start.json` says how."""
    folder = Path(sys.argv[1])
    start = json.loads((folder / "start.json").read_text())
    programs = {name: Path(path) for name, path in start["programs"].items()}
    processes = Processes(folder, programs)

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        processes.stop()
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if start["simulated_nodes"] is None:
            for private in PRIVATE_FOLDERS:
                run("mount", "-t", "tmpfs", "tmpfs", private)
            node.prepare_network()
        plane = start_control_plane(
            processes,
            folder,
            address=node.ADDRESS if start["simulated_nodes"] is None else "127.0.0.1",
            listen="0.0.0.0" if start["simulated_nodes"] is None else "127.0.0.1",  # noqa: S104 - its own network
            api_port=start["api_port"],
            etcd_ports=tuple(start["etcd_ports"]),
        )
        if start["simulated_nodes"] is None:
            node.start_node(processes, plane, programs)
            for descriptor, port in start["relays"]:
                host = "127.0.0.1" if port == start["api_port"] else node.ADDRESS
                arguments = [sys.executable, "-m", "tools.cluster.relay", str(descriptor), host, str(port)]
                subprocess.Popen(arguments, pass_fds=[descriptor], stdin=subprocess.DEVNULL)
        else:
            simulated_nodes.start(processes, plane, programs, start["simulated_nodes"])
    except ClusterError as error:
        report(f"error: {error}")
        processes.stop()
        sys.exit(1)
    report(READY)
    # The command that printed the progress has ended.
    log = os.open(folder / "logs" / "init.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, sys.stderr.fileno())
    report(processes.wait())
    processes.stop()
    sys.exit(1)


if __name__ == "__main__":
    main()
