"""Preview stacks that the version before made: this version replaces, deletes and creates nothing in them."""

from __future__ import annotations

import pytest
from novacron_rehearsal import StepOp

from tests.rehearsal.clouds.conftest import Site
from tests.rehearsal.clouds.recorded import STACKS, describe, read_state

NEW_RESOURCES: dict[str, set[str]] = {}
"""By stack, what a preview may create, update or delete after an upgrade, as `operation type name`, with the reason."""


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_of_the_version_before_previews_no_replacement(site: Site, stack: str) -> None:
    describe(site, stack)
    site.workspace.import_(read_state(stack))
    preview = site.workspace.preview(site.options)
    assert preview.succeeded, preview.errors
    changes = {
        f"{step.op.value} {step.urn.split('::')[2].rpartition('$')[2]} {step.urn.rpartition('::')[2]}"
        for step in preview.steps
        if step.op is not StepOp.SAME
    }
    assert changes == NEW_RESOURCES.get(stack, set())
