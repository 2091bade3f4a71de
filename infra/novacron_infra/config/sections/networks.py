"""IPv4 networks in a stack file: written as text, read as `IPv4Network`, with a rule and a fix for other texts."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Interface, IPv4Network
from typing import Annotated

from pydantic import BeforeValidator

from novacron_infra.config.sections.base import broken_rule
from novacron_infra.networks import MAX_REGION_PREFIX_LENGTH, MIN_REGION_PREFIX_LENGTH


def _check_region_network(value: object) -> object:
    host = _find_host(value, "10.0.0.0/16")
    if host is None:
        return value
    rule = f"it is the address of a host in {host.network}, not a network"
    if host.network.is_private and MIN_REGION_PREFIX_LENGTH <= host.network.prefixlen <= MAX_REGION_PREFIX_LENGTH:
        raise broken_rule(rule, f"Use {host.network}")
    raise broken_rule(rule, "Use a private network like 10.0.0.0/16")


def _check_public_network(value: object) -> object:
    host = _find_host(value, "203.0.113.0/24")
    if host is None:
        return value
    raise broken_rule(
        f"it is the address of a host in {host.network}, not a network", f"Use {host.network}, or {host.ip}/32"
    )


def _find_host(value: object, example: str) -> IPv4Interface | None:
    """Return the host whose address a text has in place of a network, or None for a network and for other values.

    Raises:
        PydanticCustomError: for any other text.
    """
    if not isinstance(value, str):
        return None
    with contextlib.suppress(ValueError):
        IPv4Network(value)
        return None
    if "/" in value:
        with contextlib.suppress(ValueError):
            return IPv4Interface(value)
    raise broken_rule("it is not an IPv4 network", f"Write it like {example}")


RegionNetwork = Annotated[IPv4Network, BeforeValidator(_check_region_network)]
"""The network of a region."""
PublicNetwork = Annotated[IPv4Network, BeforeValidator(_check_public_network)]
"""A network on the internet."""
