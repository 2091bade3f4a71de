"""API keys: who sends a request, and what they may do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pydantic import BaseModel, ConfigDict, Field

from novacron_serving.clock import SYSTEM_CLOCK, Clock
from novacron_serving.coordinator.limits.token_bucket import TokenBucket
from novacron_serving.errors import RequestError

MAX_PER_MINUTE = 2**31 - 1
"""The largest integer that a database column holds."""
_MAX_CACHED_HEADERS, _MAX_CACHED_HEADER_BYTES = 10_000, 512
"""Bounds for remembered `authorization` headers, because the same key can be written with any number of spaces."""


class Role(str, Enum):
    """Permissions of an API key. Each role includes those before it."""

    USER = "user"
    OPERATOR = "operator"
    ADMIN = "admin"


class CacheUse(str, Enum):
    """How an API key uses the response cache."""

    OFF = "off"
    OWN = "own"
    """Cached responses are returned to this key only."""
    SHARED = "shared"
    """Cached responses are shared with every key that has this setting."""


class ApiKey(BaseModel):
    """Permissions and limits of an API key. Only its SHA-256 digest is stored."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = Field(min_length=1)
    """Name of the key, unique among all keys."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 digest of the key, in hexadecimal."""
    role: Role = Role.USER
    priority: int = Field(default=0, ge=-10, le=10)
    """Queued requests with a higher priority are served first."""
    requests_per_minute: int | None = Field(default=None, ge=1, le=MAX_PER_MINUTE)
    """Limit on requests. None: no limit."""
    tokens_per_minute: int | None = Field(default=None, ge=1, le=MAX_PER_MINUTE)
    """Limit on the tokens of prompts and responses together, as workers report them. None: no limit."""
    cache: CacheUse = CacheUse.OFF


@dataclass(slots=True, eq=False)
class Principal:
    """The sender of a request."""

    name: str
    role: Role
    priority: int = 0
    request_bucket: TokenBucket | None = None
    token_bucket: TokenBucket | None = None
    cache: CacheUse = CacheUse.OFF
    key_id: str = ""
    """Digest of the API key. A new key with the name of a revoked one is another principal."""

    def consume_request(self) -> None:
        """Count one request.

        Raises:
            RequestError: 429, a rate limit of the key is exhausted.
        """
        for bucket, unit in ((self.request_bucket, "requests"), (self.token_bucket, "tokens")):
            if bucket is not None and bucket.refill() < 1:
                wait_s = bucket.seconds_until(1)
                raise RequestError(
                    429,
                    f"this key may use {bucket.per_minute} {unit} a minute; try again in {wait_s:.1f} s",
                    kind="rate_limit_error",
                    code="rate_limit_exceeded",
                    retry_after_s=wait_s,
                )
        if self.request_bucket is not None:
            self.request_bucket.consume(1)

    def consume_tokens(self, tokens: int) -> None:
        """Count the tokens of a response."""
        if self.token_bucket is not None:
            self.token_bucket.refill()
            self.token_bucket.consume(tokens)


ANONYMOUS = Principal("anonymous", Role.ADMIN)
"""The sender of every request while no API keys are configured."""


class Authenticator:
    """Finds the principal of a request by its API key."""

    def __init__(self, keys: Iterable[ApiKey], *, needs_key: bool, clock: Clock = SYSTEM_CLOCK) -> None:
        self.needs_key = needs_key
        """False: every request is anonymous and may do everything."""
        self._clock = clock
        self._by_digest: dict[bytes, tuple[ApiKey, Principal]] = {}
        self._by_header: dict[bytes, Principal] = {}
        """By `authorization` header, so that not every request computes a digest."""
        self.set_keys(keys)

    def set_keys(self, keys: Iterable[ApiKey]) -> None:
        """Replace all keys. A key that has not changed keeps the state of its rate limits."""
        before, self._by_digest, self._by_header = self._by_digest, {}, {}
        for key in keys:
            digest = bytes.fromhex(key.sha256)
            known = before.get(digest)
            self._by_digest[digest] = known if known is not None and known[0] == key else (key, self._principal(key))

    def principals(self) -> list[Principal]:
        """Return the principals of all keys."""
        return [principal for _, principal in self._by_digest.values()]

    def authenticate(self, authorization: bytes | None) -> Principal:
        """Return the principal of a request.

        Args:
            authorization: the request's `authorization` header.

        Raises:
            RequestError: 401, the header is missing or has no known key.
        """
        if not self.needs_key:
            return ANONYMOUS
        if authorization is None:
            raise _unauthorized("no API key: send `Authorization: Bearer <key>`")
        principal = self._by_header.get(authorization)
        if principal is None:
            scheme, _, key = authorization.partition(b" ")
            known = self._by_digest.get(hash_key(key.strip())) if scheme.lower() == b"bearer" else None
            if known is None:
                raise _unauthorized("unknown API key")
            principal = known[1]
            if len(authorization) <= _MAX_CACHED_HEADER_BYTES:
                if len(self._by_header) >= _MAX_CACHED_HEADERS:
                    self._by_header.clear()
                self._by_header[authorization] = principal
        return principal

    def _principal(self, key: ApiKey) -> Principal:
        def bucket(per_minute: int | None) -> TokenBucket | None:
            return None if per_minute is None else TokenBucket(per_minute, self._clock)

        return Principal(
            key.name, key.role, key.priority, bucket(key.requests_per_minute), bucket(key.tokens_per_minute),
            key.cache, key.sha256,
        )  # fmt: skip


def hash_key(key: bytes) -> bytes:
    """Return the digest that is stored for a key."""
    return hashlib.sha256(key).digest()


def _unauthorized(message: str) -> RequestError:
    return RequestError(401, message, kind="authentication_error", code="invalid_api_key")
