"""A kubeconfig file and a context are checked before anything is declared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from novacron_infra import KubernetesCluster
from novacron_infra.workloads.kubeconfig_file import check_cluster

CONTEXTS = {"contexts": [{"name": "home"}, {"name": "work"}]}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


def check(file: Path | None, context: str | None = None) -> list[str]:
    """Return the problems as text, below `novacron:environment`."""
    cluster = KubernetesCluster(kubeconfig=file, context=context)
    return [str(found).removeprefix("novacron:environment.") for found in check_cluster(cluster, file)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(CONTEXTS))
    return path


def test_a_context_of_the_file_is_accepted(file: Path) -> None:
    assert check(file) == check(file, "work") == []


def test_an_unknown_context_names_those_that_exist(file: Path) -> None:
    (found,) = check(file, "wrok")
    assert found == f"cluster.context = wrok: {file} has no such context. Use one of home, work"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (found,) = check(tmp_path / "none")
    assert found.startswith(f"cluster.kubeconfig = {str(tmp_path / 'none')[:59]}")
    assert "is not a file" in found


@pytest.mark.parametrize("content", ["", "[1]", "{contexts: 1}", "\x00", "{"])
def test_a_file_that_is_not_a_kubeconfig_is_named(file: Path, content: str) -> None:
    file.write_text(content)
    (found,) = check(file, "work")
    assert "is not a kubeconfig file. Name a file that kubectl accepts" in found


def test_without_a_file_the_context_is_looked_for_where_kubectl_does(
    home: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check(None, "work") == []  # the provider reports that there is no cluster
    (home / ".kube").mkdir()
    (home / ".kube/config").write_text(json.dumps({"contexts": []}))
    assert check(None) == []
    assert check(None, "work") == [
        f"cluster.context = work: {home / '.kube/config'} has no such context. Name another kubeconfig file"
    ]
    monkeypatch.setenv("KUBECONFIG", str(file))
    assert check(None, "work") == []
    monkeypatch.setenv("KUBECONFIG", f"{file}:{home / '.kube/config'}")
    assert check(None, "elsewhere") == []  # kubectl merges the files
