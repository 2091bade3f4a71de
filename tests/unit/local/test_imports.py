"""The local platform loads no cloud's SDK, and a supervisor stays small."""

from __future__ import annotations

import subprocess
import sys

import pytest

CLOUDS = ("pulumi_aws", "pulumi_azure_native", "pulumi_gcp", "pulumi_kubernetes", "pulumi_random")


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("novacron_infra.environment", CLOUDS),
        ("novacron_infra.local.serving", CLOUDS),
        ("novacron_infra.local.provider", CLOUDS),
        ("novacron_infra.generated", CLOUDS),
        ("novacron_infra.local.supervisor", ("pulumi", "pydantic", "psutil", "grpc")),
    ],
)
def test_a_module_of_the_local_platform_loads_only_what_it_needs(module: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, {module}\nprint(*set({absent!r}) & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
