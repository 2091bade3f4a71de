"""The effect of changing each key of a configuration: deployments in which keys change do what the table says.

A deployment changes as many keys as act on different types of resources, so that each step belongs to one key. What
happens in the clusters alone is the same in each cloud: such keys share types in the deployments to AWS and Azure, and
not on Google Cloud, whose deployments take the least time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from novacron_infra.errors import NovaCronError

from tests.unit.key_changes.effects import preview
from tests.unit.key_changes.environments import CLOUDS
from tests.unit.key_changes.examples import Example, find_example, list_keys, read_rows
from tools.site.key_changes import Act, Effect, read_table, write_page

TABLE = read_table()
PARTS = 3
"""Tests of a cloud, which run side by side."""
AGAIN = "`python -m tests.unit.key_changes KEY` writes the row again: review it, then run `make golden`"


@dataclass
class Batch:
    """Keys of one environment that change at once."""

    before: Mapping[str, Any]
    examples: dict[str, Example] = field(default_factory=dict[str, Example])
    types: set[str] = field(default_factory=set[str])
    """Types that one key acts on."""
    shared: set[str] = field(default_factory=set[str])
    """Types that several keys may act on."""

    def add(self, key: str, example: Example, types: set[str], *, shares: bool) -> bool:
        """Add a key, unless it would act on the same types or values as another one. Return whether it was added."""
        taken = self.types if shares else self.types | self.shared
        if self.before != example.before or types & taken or merge_changes([*self.examples.values(), example]) is None:
            return False
        self.examples[key] = example
        (self.shared if shares else self.types).update(types)
        return True


def make_batches(cloud: str) -> list[Batch]:
    """Return the keys of a cloud in batches."""
    batches: list[Batch] = []
    for key, row in TABLE.items():
        if cloud not in row.effects:
            continue
        example = find_example(key, cloud)
        assert example is not None
        types = {token for tokens in row.effects[cloud].steps.values() for token in tokens}
        shares = cloud != "gcp" and "gcp" in row.effects and all(is_in_clusters(token) for token in types)
        if not any(batch.add(key, example, types, shares=shares) for batch in batches):
            batches.append(Batch(example.before))
            batches[-1].add(key, example, types, shares=shares)
    return batches


def is_in_clusters(token: str) -> bool:
    return token.startswith(("kubernetes:", "random:"))


def test_every_key_has_a_row() -> None:
    assert list(TABLE) == list(list_keys()), f"add another value to examples.yaml if the type is not simple. {AGAIN}"
    assert read_rows().keys() - list_keys().keys() == set(), "examples.yaml has keys that the configuration has not"


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("cloud", CLOUDS)
def test_changing_a_key_does_what_the_table_says(cloud: str, part: int) -> None:
    wrong = [key for batch in make_batches(cloud)[part::PARTS] for key in find_wrong(cloud, batch.examples)]
    assert wrong == [], AGAIN


def find_wrong(cloud: str, examples: dict[str, Example]) -> list[str]:
    """Return the keys that do not do what their rows say. All change at once; halves do where that is not the sum."""
    together = try_at_once(examples)
    if together is not None and add([together]) == add(TABLE[key].effects[cloud] for key in examples):
        return []
    if len(examples) == 1:
        return list(examples)
    keys = list(examples)
    halves = keys[: len(keys) // 2], keys[len(keys) // 2 :]
    return [key for half in halves for key in find_wrong(cloud, {key: examples[key] for key in half})]


def try_at_once(examples: Mapping[str, Example]) -> Effect | None:
    """Return what all changes do together; None if some exclude each other."""
    changes = merge_changes(examples.values())
    if changes is None:
        return None
    try:
        return preview(Example(before=next(iter(examples.values())).before, changes=changes))
    except NovaCronError:
        return None


def merge_changes(examples: Iterable[Example]) -> dict[str, Any] | None:
    """Return all changes; None if two are of the same value."""
    changes: dict[str, Any] = {}
    for example in examples:
        for path, value in example.changes.items():
            if path in changes or any(is_inside(path, other) for other in changes):
                return None
            changes[path] = value
    return changes


def is_inside(path: str, other: str) -> bool:
    return path != other and (path.startswith(f"{other}.") or other.startswith(f"{path}."))


def add(effects: Iterable[Effect]) -> Effect:
    """Return what changes do together. What restarts is not listed as updated as well."""
    steps: dict[Act, set[str]] = {}
    for effect in effects:
        for act, tokens in effect.steps.items():
            steps.setdefault(act, set()).update(tokens)
    steps[Act.UPDATES] = steps.get(Act.UPDATES, set()) - steps.get(Act.RESTARTS, set())
    steps = {act: tokens for act, tokens in steps.items() if tokens}
    return Effect({act: tuple(sorted(steps[act])) for act in Act if act in steps})


def test_the_page_says_what_to_do_about_each_loss_of_data() -> None:
    silent = [key for key, row in TABLE.items() if not row.note and any(effect.lost for effect in row.effects.values())]
    assert silent == [], "add a note to the rows in examples.yaml"


def test_the_page_is_current() -> None:
    page = Path("docs/reference/changes.md").read_text("utf-8")
    assert page == write_page(), "run `make golden`"
