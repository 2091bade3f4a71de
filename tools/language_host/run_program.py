"""Runs a Pulumi program as Pulumi's own language host does. The language host starts it by path.

The engine's `exec_program` is not used: it leaves out work of the SDK whose results the CLI needs.

Standard input: one JSON object with program, config, config_secret_keys and settings.
Exit status: 0 when the program is done, 32 after an error that the user has seen.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import sys
import traceback

import pulumi
from pulumi import runtime

_REPORTED = 32
_ENGINE_IS_GONE = "Resource monitor has terminated"


def main() -> None:
    """Read the call and run the program."""
    call = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    runtime.set_all_config(call["config"], call["config_secret_keys"])
    runtime.configure(runtime.Settings(**call["settings"]))
    program = os.path.abspath(call["program"])  # noqa: PTH100 - runpy and tracebacks take texts
    sys.path[0] = program if os.path.isdir(program) else os.path.dirname(program)  # noqa: PTH112, PTH120
    sys.argv = [program]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def run() -> None:
        runpy.run_path(program, run_name="__main__")

    try:
        loop.run_until_complete(runtime.run_in_stack(run))
    except pulumi.RunError as error:
        if _ENGINE_IS_GONE not in str(error):
            pulumi.log.error(str(error))
        sys.exit(_REPORTED)
    except Exception:  # noqa: BLE001 - whatever the program raises is shown to the user
        pulumi.log.error(f"Program failed with an unhandled exception:\n{traceback.format_exc()}")
        sys.exit(_REPORTED)


if __name__ == "__main__":
    main()
