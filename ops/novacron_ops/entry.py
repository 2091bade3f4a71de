"""The entry point of the `novacron` command. Ctrl-C ends it cleanly even while its modules are loading."""

from __future__ import annotations

import sys

from novacron_ops.errors import Exit


def main() -> None:
    """Import the command and run it."""
    try:
        from novacron_ops.main import main as run

        run()
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)  # noqa: T201 - the console may not be loaded yet
        sys.exit(Exit.INTERRUPTED)
