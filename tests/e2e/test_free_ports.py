"""Projects of concurrent tests have different ports."""

from __future__ import annotations

from .conftest import free_ports


def test_free_ports_are_returned_once_even_before_a_server_uses_them() -> None:
    first, second = free_ports(5), free_ports(5)
    assert abs(first - second) >= 5
