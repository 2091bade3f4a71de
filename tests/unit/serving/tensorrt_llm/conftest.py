"""The stand-in for TensorRT-LLM as a fixture."""

from __future__ import annotations

import sys

import pytest

from .stand_in import LLM, modules


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[LLM]:
    """Install the stand-in in place of the library."""
    for name, module in modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(LLM, "fails", None)
    return LLM
