"""The serving stack without digests of its images: plans and previews work, and updates that start pods do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra import ConfigurationError, load
from novacron_infra.config import CloudEnvironment
from novacron_infra.image_digests import (
    WITHOUT_DIGESTS,
    add_stand_ins,
    describe_missing_digests,
    find_missing_digests,
)
from novacron_infra.plan import plan_environment
from novacron_ops import backends
from novacron_ops.backends import RunOutcome

from tests.unit.config.environments import change, read_stack
from tests.unit.config.test_serving import DIGEST, SERVING
from tests.unit.ops.running import copy_stacks, novacron
from tests.unit.simulated_stack import deploy

UNPINNED = {"repository": "novacron/a", "tag": "1"}
PINNED = {"repository": "registry.example.com/a", "tag": "1", "digest": DIGEST}
PLUGINS = {"images.nvidia_device_plugin": PINNED, "images.efa_device_plugin": PINNED}


def environment(**changes: Any) -> CloudEnvironment:
    config = load(change(read_stack("dev"), SERVING | PLUGINS | changes))
    assert isinstance(config, CloudEnvironment)
    return config


def test_missing_digests_are_named_with_the_command_that_prints_them() -> None:
    config = environment(**{"images.coordinator": UNPINNED, "images.worker": UNPINNED})
    found = {item.path.removeprefix("novacron:environment."): item.fix for item in find_missing_digests(config)}
    assert found == {
        "images.coordinator.digest": "Add the digest that `novacron images push coordinator` prints",
        "images.worker.digest": "Add the digest that `novacron images push worker-gpu` prints",
    }
    warnings = plan_environment(config).warnings
    assert [text.partition(" ")[0] for text in warnings if "zeros" in text] == list(found)


def test_only_the_missing_digest_is_named_and_replaced() -> None:
    config = environment(**{"images.worker": UNPINNED})
    assert [item.path for item in find_missing_digests(config)] == ["novacron:environment.images.worker.digest"]
    images = add_stand_ins(config).images
    assert images.coordinator == config.images.coordinator
    assert images.worker.reference == f"novacron/a:1@sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("p5.48xlarge", ["nvidia_device_plugin", "efa_device_plugin"]), ("g6e.xlarge", ["nvidia_device_plugin"])],
)
def test_device_plugins_that_the_machines_need_are_pinned_as_well(machine: str, expected: list[str]) -> None:
    plugins = {"nvidia_device_plugin": UNPINNED, "efa_device_plugin": UNPINNED}
    config = environment(**{f"images.{name}": image for name, image in plugins.items()})
    workers = config.workers.model_copy(update={"machine": machine})
    found = find_missing_digests(config.model_copy(update={"workers": workers}))
    assert [item.path for item in found] == [f"novacron:environment.images.{name}.digest" for name in expected]
    assert found[0].fix == "Add the digest that you tested"


@pytest.mark.parametrize("changes", [{}, {"clusters.serving": False, "images": {}}])
def test_environment_with_digests_or_without_the_stack_lacks_nothing(changes: dict[str, Any]) -> None:
    config = environment(**changes)
    assert find_missing_digests(config) == []
    assert list(describe_missing_digests(config)) == []


def test_update_that_starts_pods_is_refused_before_anything_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    values = change(read_stack("dev"), SERVING | PLUGINS | {"images.worker": UNPINNED})
    with pytest.raises(ConfigurationError, match=r"images\.worker\.digest.*novacron images push worker-gpu"):
        deploy(values)
    for name, value in WITHOUT_DIGESTS.items():
        monkeypatch.setenv(name, value)
    containers = [
        container["image"]
        for item in deploy(values).resources.values()
        if item.type == "kubernetes:apps/v1:StatefulSet"
        for container in item.inputs["spec"]["template"]["spec"]["containers"]
    ]
    assert containers
    assert all(image.endswith(f"a:1@sha256:{'0' * 64}") for image in containers)


@pytest.fixture
def unpinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a stack dev, which has the serving stack and an image without a digest."""
    copy_stacks(tmp_path, "dev")
    values = change(read_stack("dev"), SERVING | PLUGINS | {"images.worker": UNPINNED})
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": {"novacron:environment": values}}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("arguments", "expected"), [((), {}), (("--without-cluster-objects",), WITHOUT_DIGESTS)])
@pytest.mark.usefixtures("unpinned")
def test_updates_without_cluster_objects_need_no_digests(
    arguments: tuple[str, ...], expected: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Mapping[str, str]] = []

    class Backend:
        description = "backend of a test"

        def run(self, *_: Any, **__: Any) -> RunOutcome:
            return RunOutcome.SUCCEEDED

        def outputs(self) -> dict[str, Any]:
            return {}

        def export_state(self, **_: Any) -> dict[str, Any]:
            return {}

        def urns(self) -> list[str]:
            return []

    def open_backend(*given: Any) -> Backend:
        opened.append(given[3])
        return Backend()

    monkeypatch.setattr(backends, "open_backend", open_backend)
    assert novacron("up", "-s", "dev", *arguments) == 0
    assert opened == [expected]


def test_manifests_are_not_rendered_without_digests(unpinned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert novacron("render", "dev", "--output", "out") == 2
    assert "images.worker.digest" in capsys.readouterr().err
    assert not (unpinned / "out").exists()
