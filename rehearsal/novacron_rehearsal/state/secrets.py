"""Encrypts secrets with a passphrase, in the format of the Pulumi CLI."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from novacron_rehearsal.errors import InputError, RehearsalError, quote
from novacron_rehearsal.state.private_files import make_private_folder, open_private_file

ITERATIONS = 1_000_000
"""PBKDF2 rounds of `config.NewSymmetricCrypterFromPassphrase` (pulumi 3.272)."""


class WrongPassphraseError(RehearsalError):
    """The stack's secrets were encrypted with another passphrase, or no passphrase is set."""

    def __init__(self, stack: str, passphrase: str) -> None:
        problem = "the passphrase is wrong" if passphrase else "no passphrase is set"
        super().__init__(
            f"stack {stack!r}: {problem}; set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE "
            "to the passphrase that the stack was created with"
        )


@lru_cache(maxsize=8)
def _key(passphrase: str, salt: bytes) -> bytes:
    return PBKDF2HMAC(SHA256(), 32, salt, ITERATIONS).derive(passphrase.encode())


def is_salt(text: str) -> bool:
    """Return whether a text has the form of a salt: `v1:<salt>:v1:<nonce>:<ciphertext>`."""
    parts = text.split(":", 2)
    if len(parts) != 3 or parts[0] != "v1":
        return False
    try:
        return bool(base64.b64decode(parts[1], validate=True))
    except ValueError:
        return False


class Secrets:
    """Encrypts and decrypts with one passphrase and salt."""

    def __init__(self, passphrase: str, state: str) -> None:
        """Derive the key. Use `from_state` or `new` instead, which check the passphrase."""
        self.state = state
        """`v1:<salt>:v1:<nonce>:<the word pulumi, encrypted>`, as the CLI stores it."""
        self._cipher = AESGCM(_key(passphrase, base64.b64decode(state.split(":")[1])))

    @classmethod
    def new(cls, passphrase: str) -> Secrets:
        """Create a new salt."""
        salt = base64.b64encode(os.urandom(8)).decode()
        fresh = cls(passphrase, f"v1:{salt}")
        fresh.state = f"v1:{salt}:{fresh.encrypt('pulumi')}"
        return fresh

    @classmethod
    def from_state(cls, passphrase: str, state: str, stack: str) -> Secrets:
        """Use the salt of an existing stack.

        Raises:
            WrongPassphraseError: when the salt was created with another passphrase.
            RehearsalError: when the salt is not valid.
        """
        if not is_salt(state):
            raise RehearsalError(
                f"Pulumi.{stack}.yaml: encryptionsalt is {quote(state)}; it must have the form "
                "`v1:<salt>:v1:…`. Restore it from version control"
            )
        secrets = cls(passphrase, state)
        try:
            secrets.decrypt(state.split(":", 2)[2])
        except RehearsalError as error:
            raise WrongPassphraseError(stack, passphrase) from error
        return secrets

    def encrypt(self, plaintext: str) -> str:
        """Return `v1:<nonce>:<ciphertext>`, both in base64."""
        nonce = os.urandom(12)
        sealed = self._cipher.encrypt(nonce, plaintext.encode(), None)
        return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"

    def decrypt(self, ciphertext: str) -> str:
        """Return the plaintext. Raises `RehearsalError` when it was not encrypted with this key."""
        try:
            version, nonce, sealed = ciphertext.split(":")
            if version != "v1":
                raise ValueError(version)
            return self._cipher.decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None).decode()
        except (ValueError, InvalidTag) as error:
            raise RehearsalError(
                "a secret cannot be decrypted: it is damaged, was encrypted with another passphrase, or was not "
                "encrypted with a passphrase (as in Pulumi Cloud); set it again"
            ) from error


def resolve_passphrase(env: Mapping[str, str], backend_dir: Path) -> str:
    """Return the passphrase as `find_passphrase` does; without one, make one and keep it in the file.

    Raises:
        InputError: when the file of the passphrase cannot be read.
    """
    found = find_passphrase(env, backend_dir)
    if found is not None:
        return found
    made = base64.urlsafe_b64encode(os.urandom(24)).decode()
    make_private_folder(backend_dir, backend_dir)
    with os.fdopen(open_private_file(backend_dir / "passphrase", os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
        file.write(made)
    return made


def find_passphrase(env: Mapping[str, str], backend_dir: Path) -> str | None:
    """Return the passphrase: from the environment as on the CLI, else from the file that `resolve_passphrase` makes.

    Raises:
        InputError: when the file of the passphrase cannot be read.
    """
    if "PULUMI_CONFIG_PASSPHRASE" in env:
        return env["PULUMI_CONFIG_PASSPHRASE"]
    if named := env.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        try:
            return Path(named).read_text().strip()
        except OSError as error:
            raise InputError(f"PULUMI_CONFIG_PASSPHRASE_FILE {named!r} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"PULUMI_CONFIG_PASSPHRASE_FILE {named!r} is not UTF-8 text") from error
    path = backend_dir / "passphrase"
    try:
        return path.read_text().strip() if path.exists() else None
    except OSError as error:
        raise InputError(f"the passphrase {path} cannot be read: {error.strerror}; make it readable") from error
