"""Writes the golden files of this folder's tests again: `python -m tests.unit.gcp.golden`, part of `make golden`."""

from novacron_infra.catalog import find_machine
from novacron_infra.gcp.node_config import render_system_config

from tests.unit.gcp.test_node_config import GOLDEN, MACHINES

if __name__ == "__main__":
    for name in MACHINES:
        (GOLDEN / f"node-config-{name}.yaml").write_text(render_system_config(find_machine(name)), encoding="utf-8")
