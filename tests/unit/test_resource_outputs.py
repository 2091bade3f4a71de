"""Outputs that the SDK types as optional: their value, or an error that names the output."""

from __future__ import annotations

import pytest
from novacron_infra.errors import NovaCronError
from novacron_infra.resource_outputs import require_output


def test_an_output_with_a_value_is_returned() -> None:
    assert require_output("203.0.113.7", "PublicIPAddress.ip_address") == "203.0.113.7"


def test_an_output_without_a_value_is_an_error_that_names_it() -> None:
    with pytest.raises(NovaCronError, match=r"^PublicIPAddress\.ip_address is missing"):
        require_output(None, "PublicIPAddress.ip_address")
