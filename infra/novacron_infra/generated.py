"""Secrets that nobody has to invent: made once, when a stack is first deployed, and kept as secrets in its state."""

from __future__ import annotations

import secrets
from dataclasses import fields
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider

from novacron_infra.config import EnvironmentSecrets


class _Provider(ResourceProvider):
    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        del props
        return CreateResult(secrets.token_hex(8), {"value": secrets.token_urlsafe(32)})

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        del _olds, _news
        return DiffResult(changes=False)


class GeneratedSecret(Resource, module="novacron", name="GeneratedSecret"):
    """A random secret. To get a new one, replace the resource."""

    value: pulumi.Output[str]
    """43 of A-Z, a-z, 0-9, - and _ (256 bits): what Postgres, Redis, Grafana and HTTP headers take."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        options = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["value"]))
        super().__init__(_Provider(), name, {"value": None}, options)


def complete(given: EnvironmentSecrets, opts: pulumi.ResourceOptions | None = None) -> EnvironmentSecrets:
    """`given`, with a `GeneratedSecret` for each secret that the stack's configuration does not hold."""
    values = {item.name: getattr(given, item.name) for item in fields(given)}
    return EnvironmentSecrets(
        **{
            name: GeneratedSecret(name.replace("_", "-"), opts).value if value is None else value
            for name, value in values.items()
        }
    )
