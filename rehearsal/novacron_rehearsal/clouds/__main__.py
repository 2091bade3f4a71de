"""Simulated clouds from the command line.

    python -m novacron_rehearsal.clouds aws                  one plug-in process, as Pulumi starts it; prints its port
    python -m novacron_rehearsal.clouds serve [PACKAGE …]    packages in one process, for PULUMI_DEBUG_PROVIDERS
    python -m novacron_rehearsal.clouds plugins FOLDER       plug-in folders, for `plugins.providers` in Pulumi.yaml

`NOVACRON_CLOUDS_STATE` is the folder for the resources that exist. `NOVACRON_FAULTS` is a file of faults, or the YAML
itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from novacron_rehearsal.clouds import sdk, server
from novacron_rehearsal.errors import RehearsalError


def main(arguments: list[str]) -> str | None:
    match arguments:
        case ["serve", *packages]:
            state = os.environ.get(server.STATE_VARIABLE)
            with server.serve_clouds(
                packages,
                state=Path(state) if state else None,
                faults=os.environ.get(server.FAULTS_VARIABLE, ""),
            ) as ports:
                attached = ",".join(f"{package}:{port}" for package, port in ports.items())
                sys.stdout.write(f"PULUMI_DEBUG_PROVIDERS={attached}\n")
                sys.stdout.flush()
                server.wait_for_signal()
        case ["plugins", folder]:
            sys.stdout.write("plugins:\n  providers:\n")
            for package, path in server.write_plugins(Path(folder).resolve()).items():
                sys.stdout.write(f"    - {{name: {package}, path: {path}}}\n")
        case [package, *rest] if package in sdk.list_distributions():
            server.run_plugin(package, rest[0] if rest else "")
        case _:
            return __doc__
    return None


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RehearsalError as error:
        sys.exit(str(error))
