"""Writes the golden files of this folder's tests again: `python -m tests.unit.aws.golden`, part of `make golden`."""

from novacron_infra.aws.user_data import render_user_data
from novacron_infra.catalog import find_machine

from tests.unit.aws.test_user_data import GOLDEN, MACHINES

if __name__ == "__main__":
    for name in MACHINES:
        (GOLDEN / f"user-data-{name}.txt").write_text(render_user_data(find_machine(name)), encoding="utf-8")
