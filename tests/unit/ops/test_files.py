"""Files that the command writes: readable by their owner only, whatever was there before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from novacron_ops.errors import Exit, OpsError
from novacron_ops.files import check_writable, write_private


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_file_has_mode_0600_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_private("--file", tmp_path / "state.json", "secret")
    finally:
        os.umask(before)
    assert mode(tmp_path / "state.json") == 0o600
    assert (tmp_path / "state.json").read_text() == "secret"


@pytest.mark.parametrize("earlier", [0o644, 0o666, 0o400])
def test_an_existing_file_gets_mode_0600(tmp_path: Path, earlier: int) -> None:
    file = tmp_path / "state.json"
    file.write_text("before")
    file.chmod(earlier)
    write_private("--file", file, "secret")
    assert (mode(file), file.read_text()) == (0o600, "secret")
    assert list(tmp_path.iterdir()) == [file]


def test_a_process_that_has_the_old_file_open_does_not_see_the_new_content(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text("before")
    with file.open() as handle:
        write_private("--file", file, "secret")
        assert handle.read() == "before"


@pytest.mark.parametrize("exists", [True, False], ids=["target", "dangling"])
def test_a_symbolic_link_is_refused_and_its_target_is_untouched(tmp_path: Path, exists: bool) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    if exists:
        target.write_text("before")
    link.symlink_to(target)
    with pytest.raises(OpsError, match=r"link is a symbolic link; name the file itself") as refused:
        write_private("--file", link, "secret")
    assert refused.value.exit_status is Exit.BAD_INPUT
    assert target.exists() is exists
    assert not exists or target.read_text() == "before"


def test_a_pipe_a_folder_and_a_missing_folder_are_refused_before_any_work(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OpsError, match="is not a regular file; name a file"):
            check_writable("--html", file)
    with pytest.raises(OpsError, match=r"--html .*missing/page.html: the folder .*missing does not exist"):
        check_writable("--html", tmp_path / "missing" / "page.html")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "state.json"
    file.write_text("before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OpsError, match=r"state\.json cannot be written: No space left on device"):
        write_private("--file", file, "secret")
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "before"
