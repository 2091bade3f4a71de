"""The environment variables that a local process inherits: a list, to which a stack can add."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from novacron_infra.local.variables import INHERITED, INHERITED_BY_WORKERS, select_variables

GUIDE = (Path(__file__).parents[3] / "docs" / "local-stack.md").read_text(encoding="utf-8")

CREDENTIALS = {
    "AWS_SECRET_ACCESS_KEY": "aws",
    "ARM_CLIENT_SECRET": "azure",
    "AZURE_CLIENT_SECRET": "azure",
    "GOOGLE_APPLICATION_CREDENTIALS": "gcp",
    "GITHUB_TOKEN": "git",
    "NOVACRON_ADMIN_KEY": "another stack's",
    "PULUMI_CONFIG_PASSPHRASE": "state",
    "PULUMI_ACCESS_TOKEN": "cloud",
}
NEEDED = dict.fromkeys(
    (
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "https_proxy",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
    "value",
)
NEEDED_BY_WORKERS = dict.fromkeys(("HF_HOME", "HF_TOKEN", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"), "value")


def test_credentials_of_the_deploying_shell_are_not_inherited() -> None:
    assert select_variables(CREDENTIALS | NEEDED, for_worker=True) == NEEDED


def test_variables_for_models_and_gpus_reach_workers_only() -> None:
    shell = CREDENTIALS | NEEDED | NEEDED_BY_WORKERS
    assert select_variables(shell, for_worker=True) == NEEDED | NEEDED_BY_WORKERS
    assert select_variables(shell) == NEEDED


@pytest.mark.parametrize(
    ("more", "added"),
    [(["AWS_*"], ["AWS_SECRET_ACCESS_KEY"]), (["GITHUB_TOKEN"], ["GITHUB_TOKEN"]), (["aws_*"], []), ([], [])],
)
def test_a_stack_adds_the_variables_that_it_needs(more: list[str], added: list[str]) -> None:
    assert sorted(select_variables(CREDENTIALS, more)) == added


@pytest.mark.parametrize("pattern", ["PULUMI_*", "P*", "PULUMI_CONFIG_PASSPHRASE"])
def test_pulumi_s_variables_are_never_inherited(pattern: str) -> None:
    assert select_variables(CREDENTIALS, [pattern]) == {}


def test_the_guide_lists_the_variables_that_every_stack_inherits() -> None:
    table = GUIDE.partition("## Environment variables")[2].partition("\n## ")[0].partition("`pass_env`")[0]
    documented = set(re.findall(r"`([A-Za-z_]+\*?)`", table))
    assert documented == {name for name in (*INHERITED, *INHERITED_BY_WORKERS) if not name.endswith("_PROXY")}
