"""Files that the command writes for its user."""

from __future__ import annotations

from pathlib import Path

from novacron_ops.errors import Exit, OpsError


def check_writable(option: str, file: Path) -> None:
    """Refuse a path that `write_private` would refuse, before any work is done.

    Args:
        option: name of the command-line option or argument, for the message.
        file: path as the user typed it.

    Raises:
        OpsError: if the folder is missing, or the path is a link or not a regular file.
    """
    if not file.parent.is_dir():
        raise OpsError(f"{option} {file}: the folder {file.parent} does not exist; create it first", Exit.BAD_INPUT)
    if file.is_symlink():
        raise OpsError(
            f"{option} {file} is a symbolic link; name the file itself, or remove the link first", Exit.BAD_INPUT
        )
    if file.exists() and not file.is_file():
        raise OpsError(f"{option} {file} is not a regular file; name a file", Exit.BAD_INPUT)


def write_private(option: str, file: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step. Links are not followed.

    Raises:
        OpsError: for a path that `check_writable` refuses, and if the file cannot be written.
    """
    from novacron_rehearsal.state.private_files import replace_private_file

    check_writable(option, file)
    try:
        replace_private_file(file, text.encode())
    except OSError as error:
        raise OpsError(f"{option} {file} cannot be written: {error.strerror}") from error
