"""Small programs on the real SDKs and the simulated clouds, run by the engine."""

from __future__ import annotations

import pytest

from tests.rehearsal.clouds.conftest import Site, taken
from tests.rehearsal.clouds.programs import PROGRAMS, SIZES


@pytest.mark.parametrize("package", PROGRAMS)
def test_preview_up_update_destroy(site: Site, package: str) -> None:
    site.write(PROGRAMS[package])
    count = SIZES[package] + 2  # the stack and the provider
    assert taken(site.workspace.preview(site.options)) == {"create": count}
    assert site.made(package) == []
    up = site.up()
    assert taken(up) == {"create": count}
    assert len(site.made(package)) == SIZES[package]
    assert all(isinstance(value, (str, int)) and value != "" for value in up.outputs.values()), up.outputs
    assert taken(site.up()) == {}
    assert taken(site.workspace.refresh(site.options)) == {}

    site.write(PROGRAMS[package], size=3)
    update = site.up()
    assert taken(update) == {"update": 1}
    assert update.outputs == {**up.outputs, "changed": 3}

    assert taken(site.workspace.destroy(site.options)) == {"delete": count}
    assert site.made(package) == []
