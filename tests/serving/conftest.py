"""Fixtures: running stacks and gateways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from .gateway import Gateway
from .stack import Stack, running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A coordinator and one worker. Tests leave them unchanged."""
    with running(Stack(tmp_path_factory.mktemp("serving")), "worker-0") as made:
        yield made


@pytest.fixture
def fresh_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack that a test starts itself, and may break."""
    made = Stack(tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.client() as made:
        yield made


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A coordinator with two scripted workers. Tests leave them running."""
    made = Gateway(tmp_path_factory.mktemp("gateway"))
    try:
        made.start_workers("a", "b")
        yield made
    finally:
        made.stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Start coordinators with a test's configuration, which the test may break."""
    made: list[Gateway] = []

    def make(**config: Any) -> Gateway:
        made.append(Gateway(tmp_path / str(len(made)), **config))
        return made[-1]

    try:
        yield make
    finally:
        for one in made:
            one.stop()
