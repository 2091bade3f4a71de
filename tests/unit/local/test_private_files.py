"""Files and folders of local processes are closed to other users, whatever the umask is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from novacron_infra.local.files import close_to_others, make_private_folder, open_private_log, write_private


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_folders_are_made_private_with_their_parents(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "a" / "b")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)


def test_a_folder_that_exists_is_made_private(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o777)
    make_private_folder(folder)
    assert mode(folder) == 0o700


def test_files_are_written_privately_even_over_an_open_one(tmp_path: Path) -> None:
    for name in ("state.json", "state.json.tmp"):
        (tmp_path / name).touch(mode=0o666)
    write_private(tmp_path / "state.json", "{}")
    assert mode(tmp_path / "state.json") == 0o600
    (tmp_path / "log").touch(mode=0o666)
    with open_private_log(tmp_path / "log") as log:
        log.write(b"line\n")
    assert mode(tmp_path / "log") == 0o600


def test_a_link_in_the_place_of_a_log_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        open_private_log(tmp_path / "log")


def test_what_a_folder_holds_is_closed_and_links_are_left_alone(tmp_path: Path) -> None:
    folder, outside = tmp_path / "worker-0", tmp_path / "outside"
    (folder / "models").mkdir(parents=True, mode=0o777)
    (folder / "coordinator.db").touch(mode=0o666)
    outside.touch(mode=0o644)
    (folder / "link").symlink_to(outside)
    close_to_others(folder)
    assert [mode(folder), mode(folder / "models"), mode(folder / "coordinator.db")] == [0o700, 0o700, 0o600]
    assert mode(outside) == 0o644
