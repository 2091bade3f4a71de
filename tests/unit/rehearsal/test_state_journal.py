"""A run that was killed at any point leaves a journal from which the state up to its last whole step is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from novacron_rehearsal.state.journal import Journal, identity, replay
from novacron_rehearsal.state.resource import OperationKind, PendingOperation, ResourceState, Snapshot
from novacron_rehearsal.values import Secret


def turn(text: str) -> str:
    """Stands for a cipher: its own inverse."""
    return text[::-1]


def thing(name: str, version: int = 0) -> ResourceState:
    return ResourceState(
        f"urn:pulumi:dev::p::a:b:C::{name}", "a:b:C", custom=True, id=f"id-{name}", inputs={"version": version}
    )


def fold(path: Path, base: str = "base", *held: ResourceState) -> tuple[bool, Snapshot]:
    snapshot = Snapshot(list(held))
    return replay(path, base, snapshot, lambda _: turn), snapshot


steps = st.lists(
    st.tuples(st.sampled_from(["put", "remove", "fail", "unrecorded"]), st.sampled_from("abc")), max_size=9
)


@given(steps)
@settings(max_examples=40)
def test_replaying_the_journal_restores_the_resources_of_the_run(
    tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("fold") / "dev.log"
    journal = Journal(path, "base", turn)
    known = {"a": thing("a")}
    for number, (action, name) in enumerate(done, 1):
        before = [known[name]] if name in known else []
        if action == "unrecorded":
            known[name] = thing(name, number)
            journal.commit(None, before, [known[name]])
            continue
        token = journal.begin(PendingOperation(OperationKind.UPDATING, thing(name)))
        if action == "put":
            known[name] = thing(name, number)
            journal.commit(token, before, [known[name]])
        elif action == "remove":
            known.pop(name, None)
            journal.commit(token, before, [])
        else:
            journal.abandon(token)
    recovered, snapshot = fold(path, "base", thing("a"))
    assert recovered is bool(done)
    assert {state.urn: state for state in snapshot.resources} == {state.urn: state for state in known.values()}
    assert snapshot.pending_operations == []


def test_a_record_cut_off_at_any_byte_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "dev.log"
    journal = Journal(path, "base", turn)
    token = journal.begin(PendingOperation(OperationKind.CREATING, thing("a")))
    before_last = path.stat().st_size
    journal.commit(token, [], [thing("a", 7)])
    whole = path.read_bytes()
    for end in range(before_last, len(whole) - 1):
        path.write_bytes(whole[:end])
        recovered, snapshot = fold(path)
        assert recovered
        assert snapshot.resources == []
        assert [item.resource for item in snapshot.pending_operations] == [thing("a")]
    for end in (len(whole) - 1, len(whole)):
        path.write_bytes(whole[:end])
        _, snapshot = fold(path)
        assert (snapshot.resources, snapshot.pending_operations) == ([thing("a", 7)], [])


def test_a_journal_with_an_incomplete_first_record_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "dev.log"
    Journal(path, "base", turn)
    whole = path.read_bytes()
    for end in range(len(whole) - 1):
        path.write_bytes(whole[:end])
        recovered, snapshot = fold(path, "base", thing("a"))
        assert not recovered
        assert snapshot.resources == [thing("a")]


def test_a_changed_byte_ends_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "dev.log"
    journal = Journal(path, "base", turn)
    journal.commit(None, [], [thing("a", 1)])
    journal.commit(None, [], [thing("b", 1)])
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"id-b", b"id-x"))
    assert fold(path)[1].resources == [thing("a", 1)]


def test_a_journal_of_another_checkpoint_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "dev.log"
    Journal(path, "base", turn).commit(None, [thing("a")], [thing("b")])
    recovered, snapshot = fold(path, "a later one", thing("a"))
    assert not recovered
    assert snapshot.resources == [thing("a")]
    assert not fold(tmp_path / "none.log")[0]


def test_an_operation_that_began_and_did_not_end_is_pending(tmp_path: Path) -> None:
    path = tmp_path / "dev.log"
    journal = Journal(path, "base", turn)
    first = PendingOperation(OperationKind.CREATING, thing("a"))
    second = PendingOperation(OperationKind.DELETING, thing("b"))
    journal.begin(first)
    ended = journal.begin(PendingOperation(OperationKind.UPDATING, thing("c")))
    journal.begin(second)
    journal.abandon(ended)
    assert fold(path)[1].pending_operations == [first, second]


def test_a_replacement_and_its_predecessor_are_two_resources(tmp_path: Path) -> None:
    path = tmp_path / "dev.log"
    old, new = thing("a"), thing("a", 2)
    new.id = "id-new"
    doomed = ResourceState(old.urn, old.type, custom=True, id=old.id, inputs=old.inputs, delete=True)
    journal = Journal(path, "base", turn)
    journal.commit(None, [old], [doomed, new])
    assert sorted(map(identity, fold(path, "base", old)[1].resources)) == sorted(map(identity, [doomed, new]))
    journal.commit(None, [doomed], [])
    assert fold(path, "base", old)[1].resources == [new]


def test_the_salt_created_for_the_first_secret_is_in_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "dev.log"
    salt = ""

    def encrypt(text: str) -> str:
        nonlocal salt
        salt = "new"
        return text[::-1]

    journal = Journal(path, "base", encrypt, lambda: salt)
    journal.commit(None, [], [thing("a")])
    secret = thing("b")
    secret.inputs = {"password": Secret("hunter2")}
    journal.commit(None, [], [secret])
    salts: list[str] = []
    snapshot = Snapshot()
    replay(path, "base", snapshot, lambda used: salts.append(used) or turn)
    assert snapshot.resources == [thing("a"), secret]
    assert salts == ["", "new"]
    assert b"hunter2" not in path.read_bytes()
