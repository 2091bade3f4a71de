"""Record the states that `test_upgrade` previews: run this on the version whose stacks a later one must not replace.

`python -m tests.rehearsal.clouds.recorded.record [stack …]` brings each stack up on simulated clouds and writes its
state next to its description.
"""

from __future__ import annotations

import json
import lzma
import sys
import tempfile
from pathlib import Path

from tests.rehearsal.clouds.conftest import Site, a_site
from tests.rehearsal.clouds.recorded import STACKS, describe, state_file


def record(stack: str) -> None:
    """Write the state of a stack, its secrets in plain: they are the simulated clouds'."""
    with tempfile.TemporaryDirectory() as folder, a_site(Path(folder)) as site:
        describe(site, stack)
        result = site.up()
        if not result.succeeded:
            raise SystemExit(f"{stack}: {result.errors}")
        state_file(stack).write_bytes(lzma.compress(json.dumps(_exported(site)).encode(), preset=9))


def _exported(site: Site) -> object:
    return site.workspace.export(show_secrets=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or STACKS:
        record(name)
