"""Resources keep their names: a new name would replace a resource of every stack that is deployed."""

from __future__ import annotations

import pytest

from tests.unit.resource_names import ENVIRONMENTS, GOLDEN, list_names

RENAMED = (
    "Pulumi would delete these resources. If they have new names or parents, give the new ones the old name as an "
    "alias (see infra/novacron_infra/aliases.py). If they are gone on purpose, say so in "
    "CHANGELOG.md. Then run `make golden`"
)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_resources_keep_their_names(name: str) -> None:
    known = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    names = list_names(name)
    assert sorted(set(known) - set(names)) == [], RENAMED
    assert sorted(set(names) - set(known)) == [], "these resources are new: run `make golden`"
