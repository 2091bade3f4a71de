"""IPv4 networks in configuration and in components' arguments."""

from __future__ import annotations

from ipaddress import IPv4Network

WIDEST_PUBLIC_PREFIX = 8
"""Wider networks count as the internet, as in the policy `private-api-endpoint`."""


def network(text: str) -> IPv4Network | None:
    """The IPv4 network that a text means; None when it means none."""
    try:
        return IPv4Network(text)
    except ValueError:
        return None
