"""IPv4 networks in a stack file: written as text, read as `IPv4Network`, with a rule and a fix for other texts."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Interface, IPv4Network
from typing import Annotated

from pydantic import BeforeValidator

from novacron_infra.config.sections.base import broken_rule
from novacron_infra.networks import MAX_REGION_PREFIX_LENGTH, MIN_REGION_PREFIX_LENGTH, is_private


def _check_region_network(value: object) -> object:
    host = _find_host(value, "10.0.0.0/16")
    if host is None:
        return value
    network = host.network
    rules = [f"it is the address of a host in {network}, not a network"]
    if not is_private(network):
        rules.append(f"{network} is not in a private range")
    if not MIN_REGION_PREFIX_LENGTH <= network.prefixlen <= MAX_REGION_PREFIX_LENGTH:
        rules.append(f"a region's network is /{MIN_REGION_PREFIX_LENGTH} to /{MAX_REGION_PREFIX_LENGTH}")
    fix = f"Use {network}" if len(rules) == 1 else "Use a private network like 10.0.0.0/16"
    raise broken_rule("; ".join(rules), fix)


def _check_zone_network(value: object) -> object:
    host = _find_host(value, "10.0.0.0/19")
    if host is None:
        return value
    raise broken_rule(f"it is the address of a host in {host.network}, not a network", f"Use {host.network}")


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
ZoneNetwork = Annotated[IPv4Network, BeforeValidator(_check_zone_network)]
"""A network of a zone."""
PublicNetwork = Annotated[IPv4Network, BeforeValidator(_check_public_network)]
"""A network on the internet."""
