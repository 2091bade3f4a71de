"""API keys over HTTP, for administrators: listed, made, revoked. A key itself is shown once, when it is made."""

from __future__ import annotations

import asyncio
import secrets

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from novacron_serving.coordinator.access import MOST_PER_MINUTE, ApiKey, CacheUse, Role, digest_of
from novacron_serving.coordinator.bodies import KeyBodies, KeyBody, NewKeyBody
from novacron_serving.coordinator.database import Store, needed
from novacron_serving.coordinator.upkeep import Upkeep
from novacron_serving.errors import RequestError, invalid
from novacron_serving.server import read_as, read_json

PREFIX = "nc-"
_LARGEST_BODY = 4096


class NewKey(BaseModel):
    """What is said of a key that is to be made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._@-]+$")
    role: Role = Role.USER
    priority: int = Field(default=0, ge=-10, le=10)
    requests_per_minute: int | None = Field(default=None, ge=1, le=MOST_PER_MINUTE)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=MOST_PER_MINUTE)
    cache: CacheUse = CacheUse.OFF


class KeysApi:
    """Handlers; who may call them is checked before."""

    def __init__(self, store: Store | None, upkeep: Upkeep, configured: tuple[ApiKey, ...]) -> None:
        self._store = store
        self._upkeep = upkeep
        self._configured = configured

    def _database(self) -> Store:
        return needed(self._store, "keys are kept")

    async def list(self, request: Request) -> Response:
        """All keys, without their digests."""
        del request
        kept = [] if self._store is None else await asyncio.to_thread(self._store.keys)
        body: KeyBodies = {"object": "list", "data": [_shown(key) for key in (*self._configured, *kept)]}
        return JSONResponse(body)

    async def make(self, request: Request) -> Response:
        """A new key."""
        store = self._database()
        body = await read_json(request.body, _LARGEST_BODY, request.headers.get("content-length"))
        new = read_as(NewKey, body, 400)
        if any(key.name == new.name for key in self._configured):
            raise invalid(f"name: {new.name!r} is a key of the configuration; take another", param="name")
        secret = PREFIX + secrets.token_urlsafe(32)
        key = ApiKey(sha256=digest_of(secret.encode()).hex(), **new.model_dump())
        await asyncio.to_thread(store.add_key, key)
        await self._upkeep.read_keys()
        made: NewKeyBody = {**_shown(key), "key": secret}
        return JSONResponse(made, 201)

    async def revoke(self, request: Request) -> Response:
        """A key is not known any more: at once here, within seconds at other coordinators."""
        name: str = request.path_params["name"]
        found = await asyncio.to_thread(self._database().remove_key, name)
        if not found:
            raise RequestError(404, f"there is no key named {name!r} in the database", kind="invalid_request_error")
        await self._upkeep.read_keys()
        return Response(status_code=204)


def _shown(key: ApiKey) -> KeyBody:
    return {
        "name": key.name,
        "role": key.role.value,
        "priority": key.priority,
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "cache": key.cache.value,
    }
