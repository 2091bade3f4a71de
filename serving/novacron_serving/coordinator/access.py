"""Who may ask, and how much: API keys with roles, rates and shares."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pydantic import BaseModel, ConfigDict, Field

from novacron_serving.errors import RequestError

MOST_PER_MINUTE = 2**31 - 1
"""What a column of the database holds."""


class Role(str, Enum):
    """What a key may do; each may do what those before it may."""

    USER = "user"
    OPERATOR = "operator"
    ADMIN = "admin"


class CacheUse(str, Enum):
    """Whether answers with temperature 0 are kept for a key, and given again."""

    OFF = "off"
    OWN = "own"
    """To this key alone."""
    SHARED = "shared"
    """To every key that shares."""


class ApiKey(BaseModel):
    """A key and what it is worth. The key itself is nowhere: its digest is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the key, in hexadecimal."""
    role: Role = Role.USER
    priority: int = Field(default=0, ge=-10, le=10)
    """Requests of a higher priority leave the queue before all others."""
    requests_per_minute: int | None = Field(default=None, ge=1, le=MOST_PER_MINUTE)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=MOST_PER_MINUTE)
    """Of prompts and answers, as far as workers tell them."""
    cache: CacheUse = CacheUse.OFF


@dataclass(slots=True)
class Allowance:
    """A bucket that fills evenly and holds a minute's worth."""

    per_minute: int
    left: float
    filled_s: float
    used: float = 0.0
    """By this coordinator, and not yet told to the others."""

    def refill(self) -> float:
        """What is left now; below 0 when more was used than there was."""
        now = time.monotonic()
        self.left = min(self.per_minute, self.left + (now - self.filled_s) * self.per_minute / 60)
        self.filled_s = now
        return self.left

    def take(self, amount: float) -> None:
        """So much was used."""
        self.left -= amount
        self.used += amount

    def until(self, amount: float) -> float:
        """Seconds until so much is there."""
        return max(0.0, (amount - self.left) * 60 / self.per_minute)


@dataclass(slots=True, eq=False)
class Caller:
    """Who sent a request."""

    name: str
    role: Role
    priority: int = 0
    requests: Allowance | None = None
    tokens: Allowance | None = None
    cache: CacheUse = CacheUse.OFF

    def take(self) -> None:
        """One request more. Raises `RequestError` (429) when the key's rate does not allow it."""
        for allowance, what in ((self.requests, "requests"), (self.tokens, "tokens")):
            if allowance is not None and allowance.refill() < 1:
                raise RequestError(
                    429,
                    f"this key may use {allowance.per_minute} {what} a minute; try again in {allowance.until(1):.1f} s",
                    kind="rate_limit_error",
                    code="rate_limit_exceeded",
                    retry_after_s=allowance.until(1),
                )
        if self.requests is not None:
            self.requests.take(1)

    def used(self, tokens: int) -> None:
        """An answer is complete: so many tokens went into it and came out."""
        if self.tokens is not None:
            self.tokens.refill()
            self.tokens.take(tokens)


ANYBODY = Caller("anybody", Role.ADMIN)
"""Where no keys are asked for."""


class Access:
    """The keys; where none are asked for, whoever reaches the coordinator may do everything."""

    def __init__(self, keys: Iterable[ApiKey], *, needs_key: bool) -> None:
        self._needs_key = needs_key
        self._callers: dict[bytes, tuple[ApiKey, Caller]] = {}
        """By digest."""
        self._seen: dict[bytes, Caller] = {}
        """By `authorization` header, so that a key's digest is not computed for each request."""
        self.replace(keys)

    def replace(self, keys: Iterable[ApiKey]) -> None:
        """From now on these; a key that stays as it was keeps what is left of its rate."""
        before, self._callers, self._seen = self._callers, {}, {}
        for key in keys:
            digest = bytes.fromhex(key.sha256)
            known = before.get(digest)
            self._callers[digest] = known if known is not None and known[0] == key else (key, _caller(key))

    def callers(self) -> list[Caller]:
        """Whoever has a key."""
        return [caller for _, caller in self._callers.values()]

    def caller(self, authorization: bytes | None) -> Caller:
        """Who sent this `authorization` header. Raises `RequestError` (401)."""
        if not self._needs_key:
            return ANYBODY
        if authorization is None:
            raise _unauthorized("no API key: send `Authorization: Bearer <key>`")
        caller = self._seen.get(authorization)
        if caller is None:
            scheme, _, key = authorization.partition(b" ")
            known = self._callers.get(digest_of(key.strip())) if scheme.lower() == b"bearer" else None
            if known is None:
                raise _unauthorized("this API key is not known here")
            caller = self._seen[authorization] = known[1]
        return caller


def digest_of(key: bytes) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key).digest()


def _caller(key: ApiKey) -> Caller:
    def allowance(per_minute: int | None) -> Allowance | None:
        return None if per_minute is None else Allowance(per_minute, per_minute, time.monotonic())

    requests, tokens = allowance(key.requests_per_minute), allowance(key.tokens_per_minute)
    return Caller(key.name, key.role, key.priority, requests, tokens, key.cache)


def _unauthorized(message: str) -> RequestError:
    return RequestError(401, message, kind="authentication_error", code="invalid_api_key")
