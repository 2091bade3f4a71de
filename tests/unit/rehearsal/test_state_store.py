"""A stack's state in its folder: locked, written in one step, and clear about whatever is wrong with it."""

from __future__ import annotations

import ctypes
import getpass
import json
import os
import shlex
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.state import secrets as passphrases
from novacron_rehearsal.state.lock import StackLockedError
from novacron_rehearsal.state.resource import OperationKind, PendingOperation, ResourceState, Snapshot
from novacron_rehearsal.state.secrets import WrongPassphraseError
from novacron_rehearsal.state.stack_secrets import StackSecrets
from novacron_rehearsal.state.store import StackFiles, StackSession
from novacron_rehearsal.values import Secret

PASSPHRASE = "correct horse"


@pytest.fixture(autouse=True)
def _quick_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passphrases, "ITERATIONS", 1000)


@pytest.fixture
def files(tmp_path: Path) -> StackFiles:
    return StackFiles(tmp_path / "backend", "shop", "dev")


def opened(files: StackFiles, passphrase: str = PASSPHRASE, salt: str = "") -> StackSession:
    return StackSession(files, StackSecrets(passphrase, files.stack, salt))


def thing(name: str, **inputs: Any) -> ResourceState:
    return ResourceState(f"urn:pulumi:dev::shop::a:b:C::{name}", "a:b:C", custom=True, id=name, inputs=inputs)


def keep(files: StackFiles, *states: ResourceState) -> None:
    session = opened(files)
    session.finish(Snapshot(list(states)))
    session.close()


def lock_file(files: StackFiles, **content: Any) -> Path:
    path = files.backend_dir / ".pulumi/locks/organization/shop/dev/other.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"username": "ada", "hostname": socket.gethostname(), "timestamp": "now", **content}))
    return path


def test_a_second_run_is_refused_with_the_owner_of_the_lock_until_the_first_ends(files: StackFiles) -> None:
    first = opened(files)
    held_by = rf"'dev' is locked.*pid {os.getpid()} of {getpass.getuser()} on {socket.gethostname()} since 20"
    with pytest.raises(StackLockedError, match=held_by):
        opened(files)
    other = StackFiles(files.backend_dir, "shop", "prod")
    opened(other).close()
    first.close()
    opened(files).close()
    assert not list((files.backend_dir / ".pulumi/locks").rglob("*.json"))


def test_the_start_of_a_lock_is_shown_in_whole_seconds(files: StackFiles) -> None:
    first = opened(files)
    with pytest.raises(StackLockedError, match=r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\)"):
        opened(files)
    first.close()
    lock_file(files, pid=os.getppid(), timestamp="2026-05-04T03:02:01.123456789+02:00")
    with pytest.raises(StackLockedError, match=r"since 2026-05-04T03:02:01\+02:00\)"):
        opened(files)


def test_the_lock_file_of_a_running_process_is_respected(files: StackFiles) -> None:
    lock_file(files, pid=os.getppid())
    with pytest.raises(StackLockedError, match=f"pid {os.getppid()} of ada on {socket.gethostname()}"):
        opened(files)
    lock_file(files, pid=1, hostname="elsewhere")
    with pytest.raises(StackLockedError, match=r"pid 1 of ada on elsewhere.*delete .*/locks/organization/shop/dev"):
        opened(files)


def test_the_lock_file_of_a_process_that_ended_is_removed(files: StackFiles) -> None:
    pid = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1  # no process has it
    stale = lock_file(files, pid=pid)
    session = opened(files)
    assert not stale.exists()
    session.close()


def test_the_former_state_is_kept_as_bak(files: StackFiles) -> None:
    keep(files, thing("a"))
    first = files.checkpoint.read_bytes()
    keep(files, thing("b"))
    assert Path(f"{files.checkpoint}.bak").read_bytes() == first
    assert files.read(StackSecrets("", "dev"))[0].resources == [thing("b")]
    assert not files.journal.exists()
    assert sorted(path.name for path in files.checkpoint.parent.iterdir()) == ["dev.json", "dev.json.bak"]


def test_the_next_run_applies_the_journal_of_a_run_that_did_not_finish(files: StackFiles) -> None:
    keep(files, thing("a"))
    killed = opened(files)
    token = killed.begin(PendingOperation(OperationKind.CREATING, thing("b")))
    killed.commit(token, [], [thing("b", password=Secret("hunter2"))])
    killed.begin(PendingOperation(OperationKind.CREATING, thing("c")))
    killed.close()
    # The stack's first secret was met by the killed run: its salt must not be lost with it.
    session = opened(files)
    assert session.recovered
    assert session.snapshot.resources == [thing("a"), thing("b", password=Secret("hunter2"))]
    assert [item.resource for item in session.snapshot.pending_operations] == [thing("c")]
    session.close()
    again = opened(files)
    assert not again.recovered
    assert len(again.snapshot.pending_operations) == 1
    again.close()
    assert "hunter2" not in files.checkpoint.read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is damaged .*cp .*dev.json.bak"),
        ('{"version": 3, "check', "is damaged .*cp .*dev.json.bak"),
        ("[]", "has no 'checkpoint'"),
        ('{"version": 3, "checkpoint": null}', "has no 'checkpoint'"),
        ('{"version": 3, "checkpoint": {"latest": {"resources": [{"urn": "x"}]}}}', "is not a Pulumi deployment"),
        ('{"version": 3, "checkpoint": {"latest": {"resources": [7]}}}', "is not a Pulumi deployment"),
        (
            '{"version": 3, "checkpoint": {"latest": {"resources": [{"urn": "nonsense", '
            '"type": "a:b:C", "custom": true}]}}}',
            "is not a Pulumi deployment: .*'nonsense' is not a URN",
        ),
        (
            '{"version": 3, "checkpoint": {"latest": {"resources": [{"urn": "urn:pulumi:dev::shop::a:b:C::c", '
            '"type": "a:b:C", "custom": true, "parent": "nonsense"}]}}}',
            "is not a Pulumi deployment: .*'nonsense' is not a URN",
        ),
        ('{"version": 4, "checkpoint": {"latest": {}}}', "has version 4; only version 3 .*newer Pulumi"),
        (
            '{"version": 3, "checkpoint": {"latest": {"secrets_providers": {"type": "awskms"}}}}',
            "encrypted with 'awskms'.*only passphrases",
        ),
        ('{"version": 3, "checkpoint": {"latest": {"secrets_providers": {"type": "passphrase"}}}}', "no type or salt"),
    ],
)
def test_an_invalid_state_is_refused_and_left_unchanged(files: StackFiles, content: str, message: str) -> None:
    keep(files, thing("a"))
    keep(files, thing("a"))  # the second run makes the backup
    files.checkpoint.write_text(content)
    for _ in range(2):  # the second time shows that the lock was given back
        with pytest.raises(RehearsalError, match=message):
            opened(files)
    assert files.checkpoint.read_text() == content


URN = "urn:pulumi:dev::shop::a:b:C::c"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"provider": "nonsense"}, f"the provider of {URN} is 'nonsense'; it must be the URN and the id of a provider"),
        ({"custom": "yes"}, f"custom of {URN} is 'yes'; it must be true or false"),
        ({"custom": None}, f"a resource without 'custom': {URN}"),
        ({"type": 5}, f"type of {URN} is 5; it must be text"),
        ({"inputs": [1]}, f"inputs of {URN} is [1]; it must be an object"),
        ({"dependencies": "x"}, f"dependencies of {URN} is 'x'; it must be a list of texts"),
        ({"dependencies": [7]}, f"dependencies of {URN} is [7]; it must be a list of texts"),
        ({"created": "soon"}, f"created of {URN} is 'soon'; it must be a time like 2027-03-31T12:00:00Z"),
        ({"created": 7}, f"created of {URN} is 7; it must be a time like 2027-03-31T12:00:00Z"),
        ({"customTimeouts": 7}, f"customTimeouts of {URN} is 7; it must be an object"),
        ({"stackTrace": 7}, f"stackTrace of {URN} is 7; it must be a list of objects"),
        ({"stackTrace": [7]}, "a value in it is missing or malformed"),
    ],
)
def test_a_resource_with_a_value_of_the_wrong_type_is_refused(
    files: StackFiles, change: dict[str, Any], message: str
) -> None:
    keep(files, thing("a"))
    resource = {"urn": URN, "type": "a:b:C", "custom": True, **change}
    files.checkpoint.write_text(json.dumps({"version": 3, "checkpoint": {"latest": {"resources": [resource]}}}))
    with pytest.raises(RehearsalError) as raised:
        opened(files)
    text = f"{files.checkpoint} is not a Pulumi deployment: {message}. There is no backup of it yet. "
    assert str(raised.value).startswith(text)
    assert "Error" not in str(raised.value)


@pytest.mark.parametrize(
    ("latest", "message"),
    [
        ([1], "'latest' is [1]; it must be an object"),
        ({"resources": {"a": 1}}, "resources is {'a': 1}; it must be a list"),
        ({"resources": [["a"]]}, "a resource is ['a']; it must be an object"),
        ({"pending_operations": [{"type": "x"}]}, "a pending operation is {'type': 'x'}; its type must be one of"),
    ],
)
def test_a_deployment_of_the_wrong_form_is_refused_in_plain_words(
    files: StackFiles, latest: object, message: str
) -> None:
    keep(files, thing("a"))
    keep(files, thing("b"))
    files.checkpoint.write_text(json.dumps({"version": 3, "checkpoint": {"latest": latest}}))
    with pytest.raises(RehearsalError) as raised:
        opened(files)
    assert f"{files.checkpoint} is not a Pulumi deployment: {message}" in str(raised.value)
    assert "Restore the state before the last run: cp " in str(raised.value)


@pytest.mark.parametrize("salt", ["x", "v1:!:v1:a:b", "v1::v1:a:b"])
def test_a_damaged_salt_names_the_file_of_the_state(files: StackFiles, salt: str) -> None:
    keep(files, thing("a", password=Secret("hunter2")))
    content = json.loads(files.checkpoint.read_text())
    content["checkpoint"]["latest"]["secrets_providers"]["state"]["salt"] = salt
    files.checkpoint.write_text(json.dumps(content))
    with pytest.raises(RehearsalError) as raised:
        opened(files)
    assert str(raised.value).startswith(f"{files.checkpoint}: the salt in 'secrets_providers' is '{salt}'; it must")
    assert "version control" not in str(raised.value)


def test_the_command_that_restores_a_damaged_state_is_quoted_for_a_shell(tmp_path: Path) -> None:
    files = StackFiles(tmp_path / "my site", "shop", "dev")
    keep(files, thing("a"))
    keep(files, thing("a"))
    files.checkpoint.write_text("{")
    with pytest.raises(RehearsalError) as raised:
        opened(files)
    command = str(raised.value).partition("run: ")[2]
    assert shlex.split(command) == ["cp", f"{files.checkpoint}.bak", str(files.checkpoint)]


def test_a_wrong_passphrase_is_refused(files: StackFiles) -> None:
    keep(files, thing("a", password=Secret("hunter2")))
    before = files.checkpoint.read_bytes()
    with pytest.raises(WrongPassphraseError, match="'dev': the passphrase is wrong; set PULUMI_CONFIG_PASSPHRASE"):
        opened(files, "wrong")
    assert files.checkpoint.read_bytes() == before


def test_unchanged_secrets_keep_their_ciphertext_in_the_state(files: StackFiles) -> None:
    keep(files, thing("a", password=Secret("hunter2")))
    before = json.loads(files.checkpoint.read_text())
    session = opened(files)
    session.finish(Snapshot([*session.snapshot.resources, thing("b")]))
    session.close()
    after = json.loads(files.checkpoint.read_text())
    assert after["checkpoint"]["latest"]["resources"][0] == before["checkpoint"]["latest"]["resources"][0]


def test_the_configurations_salt_replaces_the_states(files: StackFiles) -> None:
    keep(files, thing("a", password=Secret("hunter2")))
    configured = passphrases.Secrets.new("correct horse").state
    session = opened(files, salt=configured)
    assert session.snapshot.resources == [thing("a", password=Secret("hunter2"))]
    session.finish(session.snapshot)
    session.close()
    assert configured in files.checkpoint.read_text()
    assert files.read(StackSecrets("correct horse", "dev"))[0].resources == [thing("a", password=Secret("hunter2"))]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 KiB."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    libc = ctypes.CDLL(None, use_errno=True)
    where = tmp_path / "disk"
    where.mkdir()
    if libc.mount(b"tmpfs", os.fsencode(where), b"tmpfs", 0, b"size=128k") != 0:
        pytest.skip(f"a small disk cannot be mounted: {os.strerror(ctypes.get_errno())}")
    yield where
    libc.umount2(os.fsencode(where), 2)


def record_until_full(session: StackSession, recorded: list[ResourceState]) -> None:
    for number in range(1000):
        state = thing(f"b{number}", text="x" * 3000)
        session.commit(None, [], [state])
        recorded.append(state)


def test_a_full_disk_loses_no_recorded_step(small_disk: Path) -> None:
    files = StackFiles(small_disk, "shop", "dev")
    keep(files, thing("a"))
    before = files.checkpoint.read_bytes()
    session = opened(files)
    recorded = [thing("a")]
    with pytest.raises(RehearsalError, match=r"journal .* cannot be written: No space left.*make room"):
        record_until_full(session, recorded)
    with pytest.raises(RehearsalError, match=r"state .* cannot be written: No space left.*make room"):
        session.finish(Snapshot(recorded))
    session.close()
    assert files.checkpoint.read_bytes() == before
    assert not list(files.checkpoint.parent.glob("*.tmp"))
    roomy = StackFiles(small_disk.parent / "roomy", "shop", "dev")
    roomy.checkpoint.parent.mkdir(parents=True)
    roomy.journal.parent.mkdir(parents=True)
    roomy.checkpoint.write_bytes(before)
    roomy.journal.write_bytes(files.journal.read_bytes())
    next_run = opened(roomy)
    assert next_run.snapshot.resources == recorded
    next_run.close()


def test_a_read_only_state_folder_is_named_in_the_error(small_disk: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    remount_read_only = 0x20 | 0x1
    assert libc.mount(b"tmpfs", os.fsencode(small_disk), b"tmpfs", remount_read_only, None) == 0
    with pytest.raises(RehearsalError, match=r"folder .*disk.* cannot be written: Read-only file system; make it"):
        opened(StackFiles(small_disk / "backend", "shop", "dev"))


@pytest.fixture(params=[0o022, 0o000], ids=["umask 022", "umask 000"])
def open_umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """The permissions of a folder and of all that is in it."""
    found = {path.relative_to(folder.parent).as_posix(): path for path in (folder, *folder.rglob("*"))}
    return {name: stat.S_IMODE(path.stat().st_mode) for name, path in found.items()}


def assert_private(folder: Path) -> None:
    wrong = {name: oct(mode) for name, mode in modes(folder).items() if mode & 0o077}
    assert not wrong


@pytest.mark.usefixtures("open_umask")
def test_only_the_owner_can_read_the_state_with_any_umask(tmp_path: Path) -> None:
    files = StackFiles(tmp_path / ".novacron", "shop", "dev")
    keep(files, thing("a", password=Secret("hunter2")))
    keep(files, thing("a", password=Secret("hunter3")))
    passphrases.resolve_passphrase({}, files.backend_dir)
    session = opened(files)
    assert_private(files.backend_dir)
    session.close()
    assert len(modes(files.backend_dir)) > 8


@pytest.mark.usefixtures("open_umask")
def test_a_state_folder_that_others_can_read_is_closed_by_the_next_run(tmp_path: Path) -> None:
    files = StackFiles(tmp_path / ".novacron", "shop", "dev")
    keep(files, thing("a"))
    for path in (files.backend_dir, *files.backend_dir.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    keep(files, thing("b"))
    assert_private(files.backend_dir / ".pulumi" / "stacks")
    folders = [path for path in files.backend_dir.rglob("*") if path.is_dir()]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in (files.backend_dir, *folders))


def test_a_state_folder_of_the_users_choice_keeps_its_mode_and_the_state_in_it_is_private(tmp_path: Path) -> None:
    chosen = tmp_path / "shared"
    chosen.mkdir()
    chosen.chmod(0o755)
    keep(StackFiles(chosen, "shop", "dev"), thing("a"))
    assert stat.S_IMODE(chosen.stat().st_mode) == 0o755
    assert_private(chosen / ".pulumi")
