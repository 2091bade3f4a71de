"""A stack in a cloud: its preview tells what would not fit, and nothing is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rehearsal.conftest import Lab

PROGRAM = """
from pathlib import Path
from novacron_infra.config import load_stack
from novacron_infra.environment import build
from novacron_infra.errors import NovaCronError

from tests.rehearsal.conftest import Lab
try:
    build(load_stack(), Path("."))
except NovaCronError as error:
    raise pulumi.RunError(str(error)) from error
"""


@pytest.fixture
def prod(lab: Lab) -> dict[str, Any]:
    stack = yaml.safe_load((Path(__file__).parents[2] / "Pulumi.prod.yaml").read_text(encoding="utf-8"))
    lab.write(PROGRAM)
    return stack


def test_a_model_that_does_not_fit_is_refused_at_preview_with_the_arithmetic(lab: Lab, prod: dict[str, Any]) -> None:
    prod["config"]["novacron:environment"]["model"]["profiles"][0]["tensor_parallel"] = 4
    prod["config"]["novacron:environment"]["model"]["profiles"][0]["pipeline_parallel"] = 1
    (lab.folder / "Pulumi.dev.yaml").write_text(json.dumps(prod))
    result = lab.preview()
    assert not result.succeeded
    assert "novacron:environment.model.profiles[balanced]" in result.errors
    assert "weights 410 GB against 344 GB of GPU memory" in result.errors
    assert "fits: int8 on 8 GPUs (TP8 × PP1)" in result.errors
