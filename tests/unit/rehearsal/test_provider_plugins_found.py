"""The providers that NovaCron has itself: used where Pulumi's are not installed, and never in a rehearsal."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.providers.launch import Plugins


@pytest.fixture
def plugins(tmp_path: Path) -> Plugins:
    env = {"PATH": str(tmp_path / "bin"), "PULUMI_HOME": str(tmp_path / "home")}
    return Plugins(str(tmp_path / "python"), tmp_path, tmp_path, env=env)


def test_the_own_kubernetes_provider_runs_with_the_engines_interpreter(plugins: Plugins) -> None:
    command, folder = plugins.command("kubernetes", "4.0.0")
    assert command[0] == sys.executable
    assert folder == plugins.project_dir
    assert plugins.uses_own("kubernetes", "4.0.0")
    assert plugins.uses_own("random", "")


def test_pulumis_providers_come_first(plugins: Plugins, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for package in ("kubernetes", "random"):
        installed = tmp_path / "bin" / f"pulumi-resource-{package}"
        installed.touch(mode=0o755)
        assert plugins.command(package, "") == ([str(installed)], tmp_path)
        assert not plugins.uses_own(package, "")


@pytest.mark.parametrize("package", ["kubernetes", "random"])
def test_own_providers_serve_neither_rehearsals_nor_other_packages(plugins: Plugins, package: str) -> None:
    assert not replace(plugins, simulated_only=True).uses_own(package, "")
    assert not replace(plugins, attached={package: 1}).uses_own(package, "")
    assert not plugins.uses_own("aws", "")


def test_without_the_client_the_message_says_how_to_install_it(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ProviderError, match=r"pip install 'novacron\[kubernetes\]'"):
        plugins.command("kubernetes", "")
