"""Runs promtool, Prometheus' own checker of rules, and has the rules that the tests give to it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from novacron_infra.config import FirstTokenTarget, Percentiles, Range, ServingTargets
from novacron_infra.workloads.custom_resources import to_properties
from novacron_infra.workloads.monitoring.rule_groups import RuleSettings, build_rules
from novacron_infra.workloads.monitoring.rules import AlertingRule

PROD_TARGETS = ServingTargets(
    time_to_first_token_s=FirstTokenTarget(p50=0.1, p95=0.2),
    inter_token_latency_s=Percentiles(p50=0.03, p95=0.05),
    quality_fraction=Range(minimum=0.97),
    availability_fraction=0.999,
)
EVERYTHING = RuleSettings(
    worker_namespace="novacron-workers",
    model_load_s=600,
    targets=PROD_TARGETS,
    gpus_per_node=8,
    certificates=True,
)
"""A stack that has every rule, but for those that the availability target replaces."""
WITHOUT_TARGETS = RuleSettings(worker_namespace="novacron-llm", model_load_s=96, fixed_workers=True)


def find_program(name: str) -> str:
    """Return a program of Prometheus. Without it, the test is skipped."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install prometheus")
    return found


def write_rules(folder: Path, settings: RuleSettings, alert: str | None = None) -> Path:
    """Write the rules as Prometheus reads them, which is the specification of a PrometheusRule.

    Args:
        folder: where the file is written.
        settings: what the rules depend on.
        alert: write only the groups with this alert.
    """
    groups = [
        group
        for group in build_rules(settings).groups
        if alert is None or any(isinstance(rule, AlertingRule) and rule.alert == alert for rule in group.rules)
    ]
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": to_properties(groups)}))
    return file


def check_rules(file: Path) -> str:
    """Check a file of rules, and return promtool's output."""
    return _run("check", "rules", "--lint=all", "--lint-fatal", str(file))


def run_test(folder: Path, rules: Path, test: dict[str, Any], *, evaluation_interval: str = "1m") -> None:
    """Evaluate rules on series of a minute's interval, and compare the results with those that the test expects."""
    file = folder / "test.yaml"
    tests = [{"interval": "1m", **test}]
    content = {"rule_files": [str(rules)], "evaluation_interval": evaluation_interval, "tests": tests}
    file.write_text(yaml.safe_dump(content))
    _run("test", "rules", str(file))


def _run(*arguments: str) -> str:
    command = [find_program("promtool"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
