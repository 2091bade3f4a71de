"""Failures, half-made resources, cancellation, and what the state keeps of them."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from novacron_rehearsal.state.resource import OperationKind

from tests.rehearsal.conftest import Lab


def test_a_failure_lets_operations_in_progress_finish_and_keeps_their_results(lab: Lab) -> None:
    result = lab.up('Thing("good", size=1)\nbad = Thing("bad", fail="create")\nThing("after", of=bad.made)')
    assert not result.succeeded
    assert "the simulated cloud refused" in result.errors
    assert "after" not in lab.state()
    assert "bad" not in lab.state()
    assert {state.id for state in lab.state().values()} == set(lab.provider.world)
    assert lab.workspace.snapshot().pending_operations == []


def test_a_resource_that_did_not_become_ready_is_kept_with_its_errors(lab: Lab) -> None:
    result = lab.up('Thing("a", half=True)')
    assert not result.succeeded
    assert "never got ready" in result.errors
    assert lab.state()["a"].init_errors == ["never got ready"]
    assert lab.up('Thing("a", size=1)').succeeded
    assert lab.state()["a"].init_errors == []
    assert len(lab.provider.world) == 1


def test_inputs_that_the_provider_rejects_are_named_in_the_error(lab: Lab) -> None:
    result = lab.preview('Thing("a", bad=1)')
    assert not result.succeeded
    assert "must not be set" in result.errors


def test_the_program_s_own_exception_is_reported_with_its_line(lab: Lab) -> None:
    result = lab.up('Thing("a")\nraise ValueError("of the program")')
    assert not result.succeeded
    assert "of the program" in result.errors


def test_a_failed_deletion_keeps_the_resource(lab: Lab) -> None:
    lab.up('Thing("a", fail="delete")')
    result = lab.up("")
    assert not result.succeeded
    assert "still in use" in result.errors
    assert list(lab.state()) == ["a"]


def test_two_resources_of_the_same_urn_are_refused(lab: Lab) -> None:
    assert "Duplicate" in lab.preview('Thing("a")\nThing("a")').errors


def test_cancel_finishes_operations_in_progress_and_starts_no_new_one(lab: Lab) -> None:
    lab.write('a = Thing("a", hold=True)\nThing("b", of=a.made)')

    def cancel() -> None:
        if lab.provider.creating.wait(20):
            lab.workspace.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    result = lab.workspace.up(lab.options())
    thread.join()
    assert not result.succeeded
    assert list(lab.state()) == ["a"]
    assert lab.provider.names("Create") == ["a"]


@pytest.mark.parametrize("interrupts", [1, 2])
def test_the_result_of_a_step_is_kept_although_an_interrupt_ends_the_program_at_once(lab: Lab, interrupts: int) -> None:
    """A terminal sends Ctrl-C to the program as well. A second one does not wait for steps in progress."""
    lab.write('import os\nfrom pathlib import Path\nPath("pid").write_text(str(os.getpid()))\nThing("a", hold=True)')

    def interrupt() -> None:
        assert lab.provider.creating.wait(20)
        for _ in range(interrupts):
            lab.workspace.cancel()
        os.kill(int((lab.folder / "pid").read_text()), signal.SIGKILL)
        time.sleep(1)
        lab.provider.release.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    result = lab.workspace.up(lab.options(in_process=False))
    thread.join()
    assert result.cancelled
    assert list(lab.state()) == (["a"] if interrupts == 1 else [])
    pending = lab.workspace.snapshot().pending_operations
    assert [item.kind for item in pending] == ([] if interrupts == 1 else [OperationKind.CREATING])


def test_a_resource_whose_update_was_interrupted_is_updated_again_even_if_the_change_is_reverted(lab: Lab) -> None:
    program = """
        import os
        from pulumi.dynamic import CreateResult, Resource, ResourceProvider, UpdateResult

        class Fragile(ResourceProvider):
            def create(self, props):
                return CreateResult("made", props)

            def update(self, id, old, new):
                if new["size"] == 2:
                    os._exit(3)
                return UpdateResult(new)

        class Piece(Resource):
            def __init__(self, size):
                super().__init__(Fragile(), "piece", {{"size": size}})

        Piece({size})
    """
    assert lab.up(program.format(size=1)).succeeded
    assert not lab.up(program.format(size=2)).succeeded
    reverted = lab.up(program.format(size=1))
    assert reverted.succeeded, reverted.errors
    assert ("update", "piece") in lab.steps(reverted)
    assert ("update", "piece") not in lab.steps(lab.up(program.format(size=1)))


def test_a_feature_that_only_the_cli_supports_is_refused(lab: Lab) -> None:
    result = lab.preview('pulumi.ComponentResource("sim:index:Remote", "r", {}, None, remote=True)')
    assert not result.succeeded
    assert "remote component" in result.errors


def test_an_operation_of_a_provider_that_stopped_is_pending_and_the_next_run_reports_it(lab: Lab) -> None:
    program = """
        import os
        from pulumi.dynamic import CreateResult, Resource, ResourceProvider

        class Fragile(ResourceProvider):
            def create(self, props):
                if props["breaks"]:
                    os._exit(3)
                return CreateResult("made", props)

        class Piece(Resource):
            def __init__(self, breaks):
                super().__init__(Fragile(), "piece", {{"breaks": breaks}})

        Piece({breaks})
    """
    died = lab.up(program.format(breaks=True))
    assert not died.succeeded
    assert "stopped during Create" in died.errors
    (pending,) = lab.workspace.snapshot().pending_operations
    assert (pending.kind, pending.resource.urn.rsplit("::", 1)[-1]) == (OperationKind.CREATING, "piece")
    mended = lab.up(program.format(breaks=False))
    assert mended.succeeded, mended.errors
    assert any("interrupted while creating" in item.message for item in mended.diagnostics)
    assert lab.workspace.snapshot().pending_operations == []


def test_an_up_whose_refresh_fails_changes_nothing(lab: Lab) -> None:
    lab.up('Thing("a", fail="read")')
    result = lab.up('Thing("a", fail="read", size=2)\nThing("b")', refresh=True)
    assert not result.succeeded
    assert "it cannot be read" in result.errors
    assert list(lab.state()) == ["a"]
    assert lab.provider.names("Update") == []


@pytest.mark.parametrize(
    "needs",
    ["of=new.made", "opts=O(depends_on=[new])", "opts=O(parent=new)", "opts=O(deleted_with=new)"],
    ids=["property", "depends_on", "parent", "deleted_with"],
)
@pytest.mark.parametrize("operation", ["preview", "up"])
def test_a_resource_that_needs_a_missing_excluded_one_is_refused(lab: Lab, operation: str, needs: str) -> None:
    lab.up('Thing("old")')
    lab.write(f'old = Thing("old", size=2)\nnew = Thing("b-new")\nThing("a-uses", {needs})')
    result = getattr(lab, operation)(exclude=("**::b-*",))
    assert not result.succeeded
    assert any(item.urn.endswith("::a-uses") for item in result.diagnostics)
    missing = "urn:pulumi:dev::lab::sim:index:Thing::b-new"
    assert f"it depends on {missing}, which does not exist and is excluded; exclude it too" in result.errors
    assert not {"a-uses", "b-new"} & lab.state().keys()
    # As the message advises, without both of them the run succeeds. An existing resource can be excluded.
    left_out = lab.up(exclude=("**::b-*", "**::a-*"))
    assert left_out.succeeded, left_out.errors
    assert "a-uses" not in lab.state()
    assert lab.up().succeeded
    assert lab.up(exclude=("**::b-*",)).succeeded
