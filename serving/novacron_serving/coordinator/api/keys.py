"""Management API for API keys: list, create, revoke. The key itself is shown once, when it is created."""

from __future__ import annotations

import asyncio
import secrets

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from novacron_serving.coordinator.api.schemas import KeyBodies, KeyBody, NewKeyBody
from novacron_serving.coordinator.background_tasks import BackgroundTasks
from novacron_serving.coordinator.http.request_body import read_body
from novacron_serving.coordinator.limits.authentication import (
    MAX_PER_MINUTE,
    ApiKey,
    Authenticator,
    CacheUse,
    Role,
    hash_key,
)
from novacron_serving.coordinator.registry.database import Store, require_database
from novacron_serving.errors import RequestError, invalid
from novacron_serving.protocol import contract

PREFIX = "nc-"


class NewKey(BaseModel):
    """Name, permissions and limits of a new API key."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._@-]+$")
    """Name of the key, unique among all keys."""
    role: Role = Role.USER
    """Permissions of the key. Each role includes those before it."""
    priority: int = Field(default=0, ge=-10, le=10)
    """Queued requests with a higher priority are served first."""
    requests_per_minute: int | None = Field(default=None, ge=1, le=MAX_PER_MINUTE)
    """Limit on requests. Null: no limit."""
    tokens_per_minute: int | None = Field(default=None, ge=1, le=MAX_PER_MINUTE)
    """Limit on the tokens of prompts and responses together. Null: no limit."""
    cache: CacheUse = CacheUse.OFF
    """How the key uses the response cache."""


class KeysApi:
    """Request handlers. The caller has checked the role."""

    def __init__(
        self,
        store: Store | None,
        background_tasks: BackgroundTasks,
        authenticator: Authenticator,
        configured: tuple[ApiKey, ...],
    ) -> None:
        self._store = store
        self._background_tasks = background_tasks
        self._authenticator = authenticator
        self._configured = configured

    def _database(self) -> Store:
        return require_database(self._store, "API keys")

    async def list(self, request: Request) -> Response:
        """List all keys, without their digests."""
        del request
        stored = [] if self._store is None else await asyncio.to_thread(self._store.keys)
        body: KeyBodies = {"object": "list", "data": [_describe(key) for key in (*self._configured, *stored)]}
        return JSONResponse(body)

    async def create(self, request: Request) -> Response:
        """Create a key, if clients need one."""
        if not self._authenticator.needs_key:
            name = contract()["environment"]["admin_key"]
            raise RequestError(
                409,
                f"this coordinator accepts requests without an API key, so it creates none; set api_keys or {name} and "
                "restart it",
                kind="invalid_request_error",
                code="keys_not_in_use",
            )
        store = self._database()
        new = await read_body(request, NewKey, status=400)
        if any(key.name == new.name for key in self._configured):
            raise invalid(f"name {new.name!r} is a key of the configuration; use another name", param="name")
        secret = PREFIX + secrets.token_urlsafe(32)
        key = ApiKey(sha256=hash_key(secret.encode()).hex(), **new.model_dump())
        await asyncio.to_thread(store.add_key, key)
        await self._background_tasks.refresh_keys()
        created: NewKeyBody = {**_describe(key), "key": secret}
        return JSONResponse(created, 201)

    async def revoke(self, request: Request) -> Response:
        """Revoke a key: at once here, within seconds at other coordinators."""
        name: str = request.path_params["name"]
        found = await asyncio.to_thread(self._database().remove_key, name)
        if not found:
            raise RequestError(404, f"the database has no key named {name!r}", kind="invalid_request_error")
        await self._background_tasks.refresh_keys()
        return Response(status_code=204)


def _describe(key: ApiKey) -> KeyBody:
    return {
        "name": key.name,
        "role": key.role.value,
        "priority": key.priority,
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "cache": key.cache.value,
    }
