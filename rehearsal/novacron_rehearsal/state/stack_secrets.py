"""The secrets of one stack: how its state and its configuration encrypt them."""

from __future__ import annotations

from typing import Any

from novacron_rehearsal.state.codec import Decrypt, SecretCache
from novacron_rehearsal.state.secrets import Secrets


class StackSecrets:
    """Encrypts and decrypts the secrets of one stack. The key is derived, which takes 0.3 s, at the first secret."""

    def __init__(self, passphrase: str, stack: str, salt: str = "") -> None:
        self.salt = salt
        self._passphrase = passphrase
        self._stack = stack
        self._secrets: Secrets | None = None
        self.cache = SecretCache(lambda text: self._open().encrypt(text), lambda text: self._open().decrypt(text))

    def _open(self) -> Secrets:
        if self._secrets is None:
            if self.salt:
                self._secrets = Secrets.from_state(self._passphrase, self.salt, self._stack)
            else:
                self._secrets = Secrets.new(self._passphrase)
                self.salt = self._secrets.state
        return self._secrets

    def written_with(self, salt: str) -> Decrypt:
        """Return a function that decrypts secrets of a salt. The salt becomes the stack's own when it has none yet.

        The state may have another salt than the configuration: the CLI may have created the configuration after this
        engine created the state. Secrets of another salt are encrypted again when the state is written.
        """
        if not self.salt:
            self.salt = salt
        if salt in ("", self.salt):
            return self.cache.decrypt
        return lambda text: Secrets.from_state(self._passphrase, salt, self._stack).decrypt(text)

    def provider(self) -> dict[str, Any] | None:
        """Return the state file's `secrets_providers`; `None` when the stack has had no secret."""
        return {"type": "passphrase", "state": {"salt": self.salt}} if self.salt else None
