"""Where the `novacron` command begins: a Ctrl-C while everything is still being imported ends it as any other does."""

from __future__ import annotations

import sys

from novacron_ops.errors import Exit


def main() -> None:
    """Import the command and run it."""
    try:
        from novacron_ops.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
