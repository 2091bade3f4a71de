"""Clients of a Redis server or a Redis cluster, and how they sign in."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from collections.abc import Callable
from enum import Enum
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import redis.asyncio
from pydantic import BaseModel, ConfigDict, model_validator
from redis.credentials import CredentialProvider
from redis.exceptions import RedisClusterException, RedisError

from novacron_serving.coordinator.passwords import read_password
from novacron_serving.errors import StartError, one_line

UNAVAILABLE = (RedisError, RedisClusterException, OSError)
"""Errors of a Redis that cannot be used: it does not answer, or rejects the login or the command."""
RedisClient: TypeAlias = "redis.asyncio.Redis | redis.asyncio.RedisCluster"
_METADATA_HOST = "metadata.google.internal"
_TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105 - the path of an API
_TOKEN_TIMEOUT_S = 2


class RedisLogin(str, Enum):
    """How the coordinator signs in to Redis."""

    PASSWORD = "password"  # noqa: S105 - the name of a method
    """With the password of `redis_url` or `redis.password_file`, if there is one."""
    GOOGLE = "google"
    """With access tokens of the pod's Google service account, as Memorystore for Redis Cluster needs."""


class RedisConfig(BaseModel):
    """The Redis of `redis_url`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    cluster: bool = False
    """Whether it is a Redis cluster, whose clients connect to every node."""
    one_host: bool = False
    """Whether all nodes of the cluster have the host of `redis_url`, at ports of their own, as on Azure.

    The nodes report IP addresses, which their certificates do not have: clients use that host instead.
    """
    login: RedisLogin = RedisLogin.PASSWORD
    """`password`, or `google`: access tokens of the pod's Google service account."""
    password_file: Path | None = None
    """File with the password, which is read for every new connection. A rotated password needs no restart."""

    @model_validator(mode="after")
    def _is_cluster(self) -> RedisConfig:
        if self.one_host and not self.cluster:
            raise ValueError("one_host is for the nodes of a cluster; set cluster to true, or remove one_host")
        return self

    @model_validator(mode="after")
    def _has_one_login(self) -> RedisConfig:
        if self.login is RedisLogin.GOOGLE and self.password_file is not None:
            raise ValueError("login is google, which uses no password; remove password_file, or use login: password")
        return self

    def connect(self, url: str, timeout_s: float) -> RedisClient:
        """Return a client, which connects when it is first used.

        Args:
            url: `redis://…` or `rediss://…`.
            timeout_s: limit for a connection attempt and for each response.

        Raises:
            StartError: the URL is invalid, or it has a password and so has this configuration.
        """
        kind = redis.asyncio.RedisCluster if self.cluster else redis.asyncio.Redis
        try:
            url, credentials = self._separate_login(url)
            options: dict[str, Any] = {}
            if self.one_host:
                options["address_remap"] = partial(_replace_host, urlsplit(url).hostname)
            return kind.from_url(
                url,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                credential_provider=credentials,
                **options,
            )
        except ValueError:  # its text may have a part of the password
            raise StartError(
                "redis_url is invalid; use redis://host:port or rediss://host:port, and percent-encode its password"
            ) from None

    def _separate_login(self, url: str) -> tuple[str, CredentialProvider | None]:
        """Return a URL without its user, and the login that replaces it. None: the URL has the login."""
        if self.login is RedisLogin.GOOGLE:
            read = _read_google_token
        elif self.password_file is not None:
            read = partial(read_password, self.password_file)
        else:
            return url, None
        parts = urlsplit(url)
        if parts.password is not None:
            raise StartError("redis_url has a password, which redis.login or redis.password_file replaces; remove one")
        if not parts.username:
            return url, _Login(None, read)
        # redis-py rejects a URL with a user in addition to a credential provider.
        without_user = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        return without_user.geturl(), _Login(unquote(parts.username), read)


class _Login(CredentialProvider):
    """Reads the password again for every connection."""

    def __init__(self, user: str | None, read: Callable[[], str]) -> None:
        self._user = user
        self._read = read

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        try:
            password = await asyncio.to_thread(self._read)
        except OSError as error:
            # After another error than its own, redis-py keeps the connection and uses it without a login.
            raise RedisError(str(error)) from error
        return (password,) if self._user is None else (self._user, password)


def _replace_host(host: str | None, address: tuple[str, int]) -> tuple[str | None, int]:
    return host, address[1]


def _read_google_token() -> str:
    """Return an access token. The metadata server renews tokens, and answers from its cache until then."""
    host = os.environ.get("GCE_METADATA_HOST", _METADATA_HOST)  # as the google-auth library does
    asked = urllib.request.Request(f"http://{host}{_TOKEN_PATH}", headers={"Metadata-Flavor": "Google"})
    try:
        with urllib.request.urlopen(asked, timeout=_TOKEN_TIMEOUT_S) as answer:  # noqa: S310 - the URL is this file's
            return str(json.load(answer)["access_token"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        raise OSError(f"the metadata server {host} returned no access token: {one_line(error)}") from error
