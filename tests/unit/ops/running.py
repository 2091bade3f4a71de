"""Running `novacron` in the process of a test."""

from __future__ import annotations

import sys

import pytest
from novacron_ops.main import main


def novacron(*arguments: str) -> int:
    """Run `novacron <arguments>` in the current folder and return its exit status."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["novacron", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    assert isinstance(ended.value.code, int)
    return int(ended.value.code)
