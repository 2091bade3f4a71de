"""A misspelt key of a stack's configuration, such as `novacron:enviroment`, is reported with the right spelling."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from novacron_infra.config.reading import find_misspelt_keys

LOAD = "from novacron_infra import load_stack; load_stack()"


@pytest.mark.parametrize("key", ["enviroment", "environments", "Environment", "envronment", "enviornment"])
def test_a_misspelt_environment_is_reported(key: str) -> None:
    (problem,) = find_misspelt_keys([f"novacron:{key}", "aws:region"])
    assert problem.path == f"novacron:{key}"
    assert problem.fix == "Did you mean novacron:environment?"


def test_a_misspelt_secret_is_reported_without_its_value() -> None:
    (problem,) = find_misspelt_keys(["novacron:environment", "novacron:databasePasword"])
    assert str(problem) == (
        "novacron:databasePasword = (not shown): it is an unknown key. Did you mean novacron:databasePassword?"
    )


def test_keys_of_the_program_and_keys_that_are_set_are_not_reported() -> None:
    keys = ["novacron:environment", "novacron:environments", "novacron:region", "novacron:env", "shop:enviroment"]
    assert not list(find_misspelt_keys(keys))


def test_the_program_reports_a_misspelt_key_with_the_missing_environment() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        env={"PULUMI_CONFIG": json.dumps({"novacron:enviroment": "{}"})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the stack needs an environment" in done.stderr
    assert "Did you mean novacron:environment?" in done.stderr
