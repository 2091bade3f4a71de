"""The secrets of one stack: how its state and its configuration encrypt them."""

from __future__ import annotations

from typing import Any

from novacron_rehearsal.state.codec import Decrypt, SecretCache
from novacron_rehearsal.state.secrets import Secrets


class StackSecrets:
    """The secrets of one stack: the key is derived (0.3 s) only once a secret is met."""

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
        """Decrypts what was written with a salt, which becomes the stack's own where it has none yet.

        Another salt than the configuration's is no error: the CLI may have set the configuration up after this engine
        made the state. What was read so is encrypted anew when it is written.
        """
        if not self.salt:
            self.salt = salt
        if salt in ("", self.salt):
            return self.cache.decrypt
        return lambda text: Secrets.from_state(self._passphrase, salt, self._stack).decrypt(text)

    def provider(self) -> dict[str, Any] | None:
        """What the state file says of how its secrets are encrypted; `None` when there never was one."""
        return {"type": "passphrase", "state": {"salt": self.salt}} if self.salt else None
