"""The configuration that documentation shows is accepted, and its error messages are the real ones."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra.config import load
from novacron_infra.errors import ConfigurationError
from novacron_policy.exemptions import read_exemptions
from novacron_rehearsal.clouds.faults import parse_faults
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.worker.config import WorkerConfig

ROOT = Path(__file__).parents[2]
TUTORIAL = "docs/tutorial.md"


def read_blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["docs/coordinator.md", "docs/local-stack.md"])
def test_stack_configuration_is_accepted(page: str) -> None:
    stacks = [stack for block in read_blocks(page, "yaml") if "config" in (stack := yaml.safe_load(block))]
    assert stacks
    for stack in stacks:
        load(stack["config"]["novacron:environment"])


def test_plugin_folder_is_that_of_the_project() -> None:
    shown = [block for block in read_blocks("docs/local-stack.md", "yaml") if block.startswith("plugins:")]
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    assert [yaml.safe_load(block) for block in shown] == [{"plugins": project["plugins"]}]


def test_faults_are_accepted() -> None:
    (block,) = read_blocks("docs/rehearsals.md", "yaml")
    assert len(parse_faults(block)) == block.count("fault:")


def test_policy_configuration_is_accepted() -> None:
    (block,) = read_blocks("policy/README.md", "json")
    exempted = {policy: config for policy, config in json.loads(block).items() if isinstance(config, dict)}
    assert exempted
    assert all(read_exemptions(policy, config) for policy, config in exempted.items())


def test_cluster_tls_of_a_coordinator_is_accepted() -> None:
    (block,) = read_blocks("docs/coordinator.md", "json")
    assert CoordinatorConfig.model_validate_json(f"{{{block}}}").cluster_tls is not None


def test_disaggregated_workers_are_accepted() -> None:
    (block,) = read_blocks("docs/tensorrt-llm.md", "json")
    rest: dict[str, Any] = {"port": 9091, "coordinator": "127.0.0.1:9090", "model": {"id": "m", "path": "/m"}}
    workers = [WorkerConfig.model_validate(json.loads(text) | rest) for text in re.split(r"\n(?=\{)", block)]
    assert [worker.role.value for worker in workers] == ["prefill", "decode"]


def test_python_code_of_the_tutorial_is_valid() -> None:
    blocks = read_blocks(TUTORIAL, "python")
    assert blocks
    for block in blocks:
        ast.parse(block)


def test_error_of_the_tutorial_is_what_the_configuration_reports() -> None:
    (shown,) = (block for block in read_blocks(TUTORIAL, "text") if block.startswith("error: "))
    stack = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())["config"]["novacron:environment"]
    with pytest.raises(ConfigurationError) as caught:
        load({**stack, "workers": {**stack.get("workers", {}), "count": 0}})
    assert shown == f"error: {caught.value}\n"
