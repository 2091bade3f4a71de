"""Local stacks of earlier versions, whose resources had Pulumi's dynamic provider: their processes are kept."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import dill
import pytest

from .conftest import Project

RECORDED = (Path(__file__).parent / "recorded" / "dynamic_provider.json").read_text(encoding="utf-8")
"""The state of a stack with API keys, as the last such version made it; its folder and the model's are placeholders."""
PROVIDERS: dict[str, str] = {
    resource["type"]: resource["inputs"]["__provider"]
    for resource in json.loads(RECORDED)["deployment"]["resources"]
    if "__provider" in resource.get("inputs", {})
}
FORMER_TYPES = {
    "novacron-local:index:Process": "pulumi-python:dynamic/local:Process",
    "novacron-local:index:Readiness": "pulumi-python:dynamic/local:Readiness",
    "novacron-local:index:GeneratedSecret": "pulumi-python:dynamic/novacron:GeneratedSecret",
    "pulumi:providers:novacron-local": "pulumi:providers:pulumi-python",
}
NEW_INPUTS = ("pass_env", "timeout_field")
pytestmark = pytest.mark.xdist_group("local platform")


def recorded_state(project: Project) -> str:
    text = RECORDED.replace("PROJECT", str(project.folder))
    for port, offset in ((18080, 0), (19090, 1), (19091, 2)):
        text = text.replace(str(port), str(project.port + offset))
    return text


def as_before(exported: dict[str, Any]) -> str:
    """A state as the previous version would have written it."""
    text = json.dumps(exported)
    for now, before in FORMER_TYPES.items():
        text = text.replace(now, before)
    state = json.loads(text)
    for resource in state["deployment"]["resources"]:
        if resource["type"] in PROVIDERS:
            for properties in (resource.setdefault("inputs", {}), resource["outputs"]):
                properties["__provider"] = PROVIDERS[resource["type"]]
                for name in NEW_INPUTS:
                    properties.pop(name, None)
    return json.dumps(state)


def take_over(project: Project, state: str) -> None:
    file = project.folder / "state.json"
    file.write_text(state)
    project.succeed("import", str(file))


def test_a_local_stack_of_the_previous_version_previews_no_replacement(project: Project) -> None:
    project.describe(coordinator={"api_keys": True})
    take_over(project, recorded_state(project))
    preview = project.succeed("preview")
    # The code of the serving package and the model's folder are others: both processes are updated in place.
    assert "done: 4 unchanged, 1 to be created, 3 to be updated, 1 to be deleted" in preview
    assert "+  pulumi:providers:novacron-local default: would create" in preview
    assert "-  pulumi:providers:pulumi-python default: would delete" in preview
    assert "replace" not in preview
    assert "GeneratedSecret" not in preview


def test_up_keeps_the_processes_and_keys_of_the_previous_version(project: Project) -> None:
    project.use_light_workers()
    project.describe(coordinator={"api_keys": True})
    project.succeed("up")
    pids = {service: project.pid(service) for service in ("coordinator", "worker-0")}
    key = project.succeed("key")
    take_over(project, as_before(json.loads(project.succeed("export"))))
    assert "pulumi-python:dynamic/local:Process" in project.succeed("export")

    assert "7 unchanged, 1 created, 1 deleted" in project.succeed("up")
    assert {service: project.pid(service) for service in pids} == pids
    assert project.succeed("key") == key
    assert "pulumi-python" not in json.dumps([r["type"] for r in resources(project)])


def test_down_removes_what_the_previous_version_deployed(project: Project) -> None:
    project.use_light_workers()
    project.succeed("up")
    take_over(project, as_before(json.loads(project.succeed("export"))))
    project.succeed("down")
    assert project.services() == []
    assert not project.run_dir.exists()


@pytest.mark.parametrize("type_", PROVIDERS)
def test_the_recorded_providers_of_the_previous_version_can_be_loaded(type_: str) -> None:
    provider = dill.loads(base64.b64decode(PROVIDERS[type_]))  # noqa: S301 - a file of this repository
    assert type(provider).__module__.startswith("novacron_infra.")


def resources(project: Project) -> list[dict[str, Any]]:
    return json.loads(project.succeed("export"))["deployment"]["resources"]
