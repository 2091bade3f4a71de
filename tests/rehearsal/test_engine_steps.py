"""The steps of `up`, preview, refresh and destroy with a simulated provider."""

from __future__ import annotations

import pytest

from tests.rehearsal.conftest import Lab

TWO = """
a = Thing("a", size=1)
b = Thing("b", of=a.made)
pulumi.export("made", b.made)
"""


def test_preview_creates_nothing_and_lists_the_steps_of_up(lab: Lab) -> None:
    result = lab.preview(TWO)
    assert result.succeeded, result.errors
    assert lab.steps(result) == [("create", "a"), ("create", "b")]
    assert lab.provider.world == {}
    assert lab.state() == {}


def test_up_passes_outputs_on_and_the_next_up_changes_nothing(lab: Lab) -> None:
    result = lab.up(TWO)
    assert result.succeeded, result.errors
    state = lab.state()
    assert list(state) == ["a", "b"]
    assert state["b"].inputs["of"] == state["a"].id
    assert state["b"].dependencies == [state["a"].urn]
    assert result.outputs == {"made": state["b"].id}
    again = lab.up(expect_no_changes=True)
    assert again.succeeded, again.errors
    assert lab.steps(again) == []


def test_update_in_place_keeps_the_id(lab: Lab) -> None:
    lab.up(TWO)
    before = lab.state()["a"].id
    result = lab.up(TWO.replace("size=1", "size=2"))
    assert lab.steps(result) == [("update", "a")]
    assert lab.state()["a"].id == before
    assert lab.state()["a"].outputs["size"] == 2


REPLACED = """
a = Thing("a", force={force})
b = Thing("b", {argument}=a.made)
"""


def test_replacement_creates_first_and_deletes_last(lab: Lab) -> None:
    lab.up(REPLACED.format(force=1, argument="of"))
    result = lab.up(REPLACED.format(force=2, argument="of"))
    assert result.succeeded, result.errors
    assert lab.steps(result) == [
        ("create-replacement", "a"),
        ("replace", "a"),
        ("update", "b"),
        ("delete-replaced", "a"),
    ]
    assert len(lab.provider.world) == 2
    assert [state.delete for state in lab.state().values()] == [False, False]


def test_delete_before_replace_also_replaces_dependents_that_need_it(lab: Lab) -> None:
    program = """
    a = Thing("a", force={}, opts=O(delete_before_replace=True))
    b = Thing("b", force=a.made)
    c = Thing("c", of=a.made)
    """
    lab.up(program.format(1))
    lab.provider.calls.clear()
    result = lab.up(program.format(2))
    assert result.succeeded, result.errors
    changes = [call for call in lab.provider.calls if call[0] in ("Create", "Delete", "Update")]
    assert changes[:3] == [("Delete", "b"), ("Delete", "a"), ("Create", "a")]
    assert sorted(changes[3:]) == [("Create", "b"), ("Update", "c")]
    assert len(lab.provider.world) == 3


def test_resources_that_the_program_drops_are_deleted_dependents_first(lab: Lab) -> None:
    lab.up(TWO)
    result = lab.up("")
    assert lab.steps(result) == [("delete", "b"), ("delete", "a")]
    assert lab.provider.names("Delete") == ["b", "a"]
    assert lab.state() == {}


def test_destroy_leaves_nothing(lab: Lab) -> None:
    lab.up(TWO)
    result = lab.workspace.destroy(lab.options())
    assert result.succeeded, result.errors
    assert lab.provider.names("Delete") == ["b", "a"]
    assert lab.workspace.snapshot().resources == []


def test_refresh_records_changes_and_removes_vanished_resources(lab: Lab) -> None:
    lab.up('Thing("a", size=1)\nThing("b", size=1)')
    state = lab.state()
    lab.provider.world[state["a"].id]["size"] = 7
    del lab.provider.world[state["b"].id]
    result = lab.workspace.refresh(lab.options())
    assert sorted(lab.steps(result)) == [("delete", "b"), ("update", "a")]
    assert list(lab.state()) == ["a"]
    assert lab.state()["a"].inputs["size"] == 7


def test_protected_resources_are_neither_deleted_nor_replaced(lab: Lab) -> None:
    program = 'Thing("a", force={}, opts=O(protect=True))'
    lab.up(program.format(1))
    refused = lab.up("")
    assert not refused.succeeded
    assert "protected" in refused.errors
    assert not lab.up(program.format(2)).succeeded
    assert not lab.workspace.destroy(lab.options()).succeeded
    assert lab.provider.names("Delete") == []
    assert len(lab.provider.world) == 1


def test_retain_on_delete_removes_a_resource_from_the_state_only(lab: Lab) -> None:
    lab.up('Thing("a", opts=O(retain_on_delete=True))')
    assert lab.up("").succeeded
    assert lab.state() == {}
    assert len(lab.provider.world) == 1


def test_deleted_with_skips_the_providers_delete_call(lab: Lab) -> None:
    lab.up('a = Thing("a")\nThing("b", opts=O(deleted_with=a))')
    assert lab.up("").succeeded
    assert lab.provider.names("Delete") == ["a"]
    assert lab.state() == {}


def test_ignore_changes_keeps_the_old_value(lab: Lab) -> None:
    program = 'Thing("a", size={}, colour="{}", opts=O(ignore_changes=["size"]))'
    lab.up(program.format(1, "red"))
    assert lab.steps(lab.up(program.format(2, "red"))) == []
    lab.up(program.format(2, "blue"))
    assert lab.state()["a"].inputs == {"size": 1, "colour": "blue"}


def test_replace_on_changes_replaces(lab: Lab) -> None:
    program = 'Thing("a", size={}, opts=O(replace_on_changes=["size"]))'
    lab.up(program.format(1))
    assert ("replace", "a") in lab.steps(lab.up(program.format(2)))


def test_an_alias_renames_without_a_change(lab: Lab) -> None:
    lab.up('Thing("old", size=1)')
    result = lab.up('Thing("new", size=1, opts=O(aliases=[pulumi.Alias(name="old")]))')
    assert result.succeeded, result.errors
    assert lab.steps(result) == []
    assert list(lab.state()) == ["new"]
    assert lab.steps(lab.up('Thing("new", size=1)')) == []


def test_children_follow_a_renamed_component(lab: Lab) -> None:
    program = """
    group = Group("{0}", opts=O(aliases=[pulumi.Alias(name="old")]))
    Thing("{0}-child", size=1, opts=O(parent=group))
    """
    lab.up(program.format("old"))
    result = lab.up(program.format("new"))
    assert result.succeeded, result.errors
    assert lab.steps(result) == []
    assert list(lab.state()) == ["new", "new-child"]


def test_custom_timeouts_reach_the_provider_in_seconds(lab: Lab) -> None:
    lab.up('Thing("a", opts=O(custom_timeouts=pulumi.CustomTimeouts(create="2m30s")))')
    assert lab.provider.timeouts == {"a": 150}


def test_targets_leave_all_other_resources_unchanged(lab: Lab) -> None:
    lab.up('Thing("a", size=1)\nThing("b", size=1)')
    result = lab.up('Thing("a", size=2)\nThing("b", size=2)', targets=[lab.state()["a"].urn])
    assert result.succeeded, result.errors
    assert lab.steps(result) == [("update", "a")]
    assert lab.state()["b"].inputs == {"size": 1}


@pytest.mark.parametrize("flag", ["replace"])
def test_the_replace_option_replaces_a_resource(lab: Lab, flag: str) -> None:
    lab.up('Thing("a", size=1)')
    result = lab.up(**{flag: [lab.state()["a"].urn]})
    assert lab.steps(result) == [("create-replacement", "a"), ("replace", "a"), ("delete-replaced", "a")]
