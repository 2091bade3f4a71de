"""Writes the golden files of this folder's tests again: `python -m tests.unit.azure.golden`, part of `make golden`."""

from novacron_infra.catalog import find_machine

from tests.unit.azure.test_node_config import GOLDEN, MACHINES, rendered

if __name__ == "__main__":
    for name in MACHINES:
        (GOLDEN / f"node-config-{name}.yaml").write_text(rendered(find_machine(name)), encoding="utf-8")
