"""Writing rendered files: all or none, and no other file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from novacron_ops.commands.render import _find_path
from novacron_ops.errors import OpsError
from novacron_ops.rendering import Written, write_files
from novacron_ops.rendering.folder import INDEX


def read(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_files_of_the_former_rendering_that_are_gone_are_removed_and_those_of_others_stay(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    assert write_files(out, {"a/old.yaml": "1", "b/same.yaml": "2"}, "prod") == Written(2, 0, 0)
    (out / "a" / "notes.txt").write_text("mine")
    (out / "b" / "mine.yaml").write_text("mine")
    before = (out / "b" / "same.yaml").stat().st_mtime_ns
    assert write_files(out, {"b/same.yaml": "2", "c/new.yaml": "3"}, "prod") == Written(1, 1, 1)
    found = read(out)
    assert json.loads(found.pop(INDEX)) == {"stack": "prod", "files": ["b/same.yaml", "c/new.yaml"]}
    assert found == {"a/notes.txt": "mine", "b/mine.yaml": "mine", "b/same.yaml": "2", "c/new.yaml": "3"}
    assert (out / "b" / "same.yaml").stat().st_mtime_ns == before
    (out / "a" / "notes.txt").unlink()
    assert write_files(out, {}, "prod") == Written(0, 0, 2)
    assert not (out / "c").exists()


def test_a_file_of_others_in_the_place_of_a_manifest_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mine")
    with pytest.raises(OpsError, match=r"has other files in the places of manifests: a\.yaml"):
        write_files(tmp_path, {"a.yaml": "1", "b.yaml": "2"}, "prod")
    assert read(tmp_path) == {"a.yaml": "mine"}


def test_the_folder_of_another_stack_and_a_damaged_index_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.yaml": "1"}, "prod")
    before = read(tmp_path)
    with pytest.raises(OpsError, match="has the manifests of stack prod"):
        write_files(tmp_path, {"a.yaml": "2"}, "dev")
    assert read(tmp_path) == before
    for damaged, message in (("{", "is damaged"), ('{"stack": "prod", "files": ["../x"]}', "outside the folder")):
        (tmp_path / INDEX).write_text(damaged)
        with pytest.raises(OpsError, match=message):
            write_files(tmp_path, {"a.yaml": "2"}, "prod")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    out.mkdir()
    (out / "a").symlink_to(elsewhere)
    with pytest.raises(OpsError, match=r"out/a is not a folder"):
        write_files(out, {"a/b.yaml": "1"}, "prod")
    assert read(elsewhere) == {}


def test_an_error_on_the_way_puts_everything_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"a.yaml": "1", "b.yaml": "1", "c.yaml": "1"}, "prod")
    before = read(tmp_path)
    rename, places = Path.rename, []

    def fail_at_b(self: Path, target: Path) -> Path:
        places.append(target.name)
        if places.count("b.yaml") == 2:
            places.clear()
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_at_b)
    with pytest.raises(OpsError, match="cannot be written: No space left on device; it is as it was"):
        write_files(tmp_path, {"a.yaml": "2", "b.yaml": "2", "d.yaml": "2"}, "prod")
    assert read(tmp_path) == before


@pytest.mark.parametrize(("folder", "path"), [("", ""), ("out", "out"), (".deploy/lab", ".deploy/lab")])
def test_the_path_of_a_folder_in_its_repository_is_found(tmp_path: Path, folder: str, path: str) -> None:
    (tmp_path / ".git").mkdir()
    assert _find_path(tmp_path / folder) == path
