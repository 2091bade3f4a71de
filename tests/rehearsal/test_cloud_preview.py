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


def test_nothing_is_created_for_an_environment_with_the_serving_stack_that_does_not_fit(
    lab: Lab, prod: dict[str, Any]
) -> None:
    environment = prod["config"]["novacron:environment"]
    environment["model"]["profiles"][0] |= {"tensor_parallel": 4, "pipeline_parallel": 1}
    environment["clusters"] |= {"add_ons": True, "serving": True}
    environment["accounts"] = {"aws_account_id": "123456789012"}
    image = {"repository": "novacron/a", "tag": "1", "digest": "sha256:" + "0" * 64}
    environment["images"] = {"coordinator": image, "worker": image}
    (lab.folder / "Pulumi.dev.yaml").write_text(json.dumps(prod))
    result = lab.up()
    assert "weights 410 GB against 344 GB of GPU memory" in result.errors
    assert [item.type for item in lab.workspace.snapshot().resources] == ["pulumi:pulumi:Stack"]


def test_a_model_that_does_not_fit_is_refused_at_preview_with_the_arithmetic(lab: Lab, prod: dict[str, Any]) -> None:
    prod["config"]["novacron:environment"]["model"]["profiles"][0]["tensor_parallel"] = 4
    prod["config"]["novacron:environment"]["model"]["profiles"][0]["pipeline_parallel"] = 1
    (lab.folder / "Pulumi.dev.yaml").write_text(json.dumps(prod))
    result = lab.preview()
    assert not result.succeeded
    assert "novacron:environment.model.profiles[balanced]" in result.errors
    assert "weights 410 GB against 344 GB of GPU memory" in result.errors
    assert "fits: int8 on 8 GPUs (TP8 × PP1)" in result.errors
