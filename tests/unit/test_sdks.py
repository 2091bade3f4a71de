"""A platform whose Pulumi SDK is not installed is reported with the command that installs it."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from novacron_infra import NovaCronError, build, load, sdks
from novacron_infra.config import Platform

from tests.unit.config.environments import read_stack


@pytest.mark.parametrize(
    ("platform", "packages"),
    [
        (Platform.AWS, ["pulumi-aws", "pulumi-random"]),
        (Platform.GCP, ["pulumi-gcp", "pulumi-random"]),
        (Platform.AZURE, ["pulumi-azure-native", "pulumi-random"]),
        (Platform.KUBERNETES, ["pulumi-kubernetes", "pulumi-random"]),
    ],
)
def test_a_missing_sdk_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, platform: Platform, packages: list[str]
) -> None:
    assert sdks.find_missing_sdk(platform) is None
    monkeypatch.setattr(sdks, "find_spec", lambda _: None)
    command = sdks.find_missing_sdk(platform)
    assert command is not None
    assert all(package in command for package in packages)


def test_the_local_platform_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdks, "find_spec", lambda _: None)
    assert sdks.find_missing_sdk(Platform.LOCAL) is None


def test_a_program_ends_before_the_first_resource(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sdks, "find_spec", lambda _: None)
    command = f"{shlex.quote(sys.executable)} -m pip install 'pulumi-aws"
    with pytest.raises(NovaCronError, match=re.escape(f"the Pulumi SDK of aws is not installed: {command}")):
        build(load(read_stack("prod")), tmp_path)
