"""A stack's state in a folder with the layout of Pulumi's file backend, so the CLI can use the same folder."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from novacron_rehearsal.errors import RehearsalError, quote
from novacron_rehearsal.state.checkpoint import VERSION, snapshot_from_deployment, snapshot_to_deployment
from novacron_rehearsal.state.journal import Journal, replay
from novacron_rehearsal.state.lock import StackLock
from novacron_rehearsal.state.ordering import sort_by_dependencies
from novacron_rehearsal.state.private_files import FILE_MODE, make_private_folder, restrict, write_private_file
from novacron_rehearsal.state.resource import PendingOperation, ResourceState, Snapshot
from novacron_rehearsal.state.secrets import is_salt
from novacron_rehearsal.state.stack_secrets import StackSecrets


def read_salt(deployment: Mapping[str, Any], where: str, fix: str) -> str:
    """Return the salt of a deployment's secrets; empty when it has none.

    Args:
        deployment: the JSON.
        where: the file, for errors.
        fix: a sentence without its full stop: what to do about a damaged file.

    Raises:
        RehearsalError: when the salt is damaged, or the secrets are not encrypted with a passphrase.
    """
    provider = deployment.get("secrets_providers")
    if not provider:
        return ""
    try:
        if provider["type"] == "passphrase":
            salt = str(provider["state"]["salt"])
            if not is_salt(salt):
                raise RehearsalError(
                    f"{where}: the salt in 'secrets_providers' is {quote(salt)}; it must have the form "
                    f"`v1:<salt>:v1:…`. {fix}"
                )
            return salt
        kind = provider["type"]
    except (KeyError, TypeError) as error:
        raise RehearsalError(f"{where}: 'secrets_providers' has no type or salt. {fix}") from error
    raise RehearsalError(
        f"{where}: secrets are encrypted with {kind!r}; the rehearsal engine supports only passphrases. Use the Pulumi "
        "CLI, change the stack's secrets provider with it, or export the state with --show-secrets"
    )


class StackFiles:
    """The files of a stack's state."""

    def __init__(self, backend_dir: Path, project: str, stack: str) -> None:
        self.backend_dir = backend_dir
        self.project = project
        self.stack = stack
        self.checkpoint = backend_dir / ".pulumi" / "stacks" / project / f"{stack}.json"
        self.journal = backend_dir / "journal" / project / f"{stack}.log"

    def read(self, secrets: StackSecrets) -> tuple[Snapshot, str]:
        """Read the checkpoint. Returns an empty snapshot when there is none, and the digest of the file.

        Raises:
            RehearsalError: for a file that is not a checkpoint, or has another version.
        """
        try:
            raw = self.checkpoint.read_bytes()
        except FileNotFoundError:
            return Snapshot(), ""
        except OSError as error:
            raise RehearsalError(
                f"the state {self.checkpoint} cannot be read: {error.strerror}; make it readable"
            ) from error
        try:
            content = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise RehearsalError(f"{self.checkpoint} is damaged ({error}). {self._how_to_restore()}") from error
        checkpoint = content.get("checkpoint") if isinstance(content, dict) else None
        if not isinstance(checkpoint, dict):
            raise RehearsalError(
                f"{self.checkpoint} is not a Pulumi checkpoint: it has no 'checkpoint'. {self._how_to_restore()}"
            )
        latest = checkpoint.get("latest") or {}
        if not isinstance(latest, dict):
            raise RehearsalError(
                f"{self.checkpoint} is not a Pulumi deployment: 'latest' is {quote(latest)}; it must be an object. "
                f"{self._how_to_restore()}"
            )
        where, fix = str(self.checkpoint), self._how_to_restore()
        decrypt = secrets.written_with(read_salt(latest, where, fix))
        snapshot = snapshot_from_deployment(latest, content.get("version", 0), decrypt, where, fix)
        return snapshot, hashlib.sha256(raw).hexdigest()

    def _how_to_restore(self) -> str:
        """Return what to do about a damaged checkpoint, with a command that a shell takes as it is."""
        if not Path(f"{self.checkpoint}.bak").exists():
            return (
                "There is no backup of it yet. Restore it from a copy of your own, or delete it if the stack has no "
                "resources"
            )
        backup = shlex.quote(f"{self.checkpoint}.bak")
        return f"Restore the state before the last run: cp {backup} {shlex.quote(str(self.checkpoint))}"

    def write(self, snapshot: Snapshot, secrets: StackSecrets) -> str:
        """Write the checkpoint atomically, and keep the one before as `.bak`. Returns the digest of the file."""
        encrypt = secrets.cache.encrypt
        deployment = snapshot_to_deployment(snapshot, encrypt)
        if provider := secrets.provider():
            deployment["secrets_providers"] = provider
        content = {
            "version": VERSION,
            "checkpoint": {"stack": f"organization/{self.project}/{self.stack}", "latest": deployment},
        }
        raw = json.dumps(content, indent=4).encode()
        meta = self.backend_dir / ".pulumi" / "meta.yaml"
        temporary = self.checkpoint.with_suffix(".json.tmp")
        try:
            make_private_folder(self.checkpoint.parent, self.backend_dir)
            if not meta.exists():
                write_private_file(meta, b"version: 1\n")
            write_private_file(temporary, raw)
            if self.checkpoint.exists():
                restrict(self.checkpoint, FILE_MODE)
                shutil.copy2(self.checkpoint, f"{self.checkpoint}.bak")
            temporary.replace(self.checkpoint)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise RehearsalError(
                f"the state {self.checkpoint} cannot be written: {error.strerror}. The former state is unchanged, and "
                "the run's steps are in its journal; make room and run the same command again"
            ) from error
        return hashlib.sha256(raw).hexdigest()

    def remove(self) -> None:
        """Delete the stack's files."""
        for path in (self.checkpoint, Path(f"{self.checkpoint}.bak"), self.journal):
            path.unlink(missing_ok=True)


class StackSession:
    """Holds a stack for one run: locks it, reads its state, and applies the journal of an interrupted run."""

    def __init__(self, files: StackFiles, secrets: StackSecrets) -> None:
        """Lock the stack and read its state.

        Raises:
            StackLockedError: when another run has locked the stack.
            RehearsalError: when the state cannot be read or written.
        """
        self._files = files
        self._secrets = secrets
        try:
            make_private_folder(files.journal.parent, files.backend_dir)
            self._lock = StackLock(files.backend_dir, files.project, files.stack)
        except OSError as error:
            raise RehearsalError(
                f"the state's folder {files.backend_dir} cannot be written: {error.strerror}; make it writable or "
                "choose another"
            ) from error
        try:
            self.snapshot, digest = files.read(secrets)
            self.recovered = replay(files.journal, digest, self.snapshot, secrets.written_with)
            if self.recovered:
                self.snapshot.resources = sort_by_dependencies(self.snapshot.resources)
                digest = files.write(self.snapshot, secrets)
            self._journal = Journal(files.journal, digest, secrets.cache.encrypt, lambda: secrets.salt)
        except BaseException:
            self._lock.release()
            raise

    def begin(self, operation: PendingOperation) -> int:
        """Record that an operation has begun. Returns a token for its end."""
        return self._journal.begin(operation)

    def commit(self, token: int | None, removed: Sequence[ResourceState], added: Sequence[ResourceState]) -> None:
        """Record the end of an operation, and what it changed."""
        self._journal.commit(token, removed, added)

    def abandon(self, token: int) -> None:
        """Record that an operation ended and changed nothing."""
        self._journal.abandon(token)

    def finish(self, snapshot: Snapshot) -> None:
        """Write the checkpoint, and delete the journal."""
        self._files.write(snapshot, self._secrets)
        self._journal.remove()
        self.snapshot = snapshot

    def close(self) -> None:
        """Unlock the stack. Without `finish`, the journal stays and the next run applies it."""
        self._lock.release()
