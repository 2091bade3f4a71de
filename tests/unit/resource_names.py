"""The logical names of the resources of every stack and platform.

`python -m tests.unit.resource_names` writes them again. Pulumi knows a resource by its name and its parents' types:
with another one, it deletes the resource and creates a new one, unless the new one has the old name as an alias.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.unit.config.environments import change, read_stack
from tests.unit.simulated_stack import deploy
from tests.unit.test_identity import make_environment

GOLDEN = Path(__file__).parent / "golden/names"
EXAMPLES = "examples/environments"
STACKS = {
    "dev": ".",
    "staging": ".",
    "prod": ".",
    "trial": ".",
    "prod-gcp": EXAMPLES,
    "prod-azure": EXAMPLES,
    "prod-mixed": EXAMPLES,
}
"""The stacks of this repository in clouds and clusters, with their folders."""
CLOUDS = ("aws", "gcp", "azure")
_DIGEST = f"sha256:{'1' * 64}"
SERVING: dict[str, Any] = {
    "clusters.add_ons": True,
    "clusters.serving": True,
    "images": {
        name: {"repository": f"registry.example.com/{name}", "tag": "1.0", "digest": _DIGEST}
        for name in (
            "coordinator",
            "worker",
            "nvidia_device_plugin",
            "efa_device_plugin",
            "tcpx_daemon",
            "tcpxo_daemon",
        )
    },
    "coordinators.resources": {"cpu_request": 16, "cpu_limit": 32, "memory_request_gib": 64, "memory_limit_gib": 128},
    "workers.resources": {"cpu_request": 20, "cpu_limit": 64, "memory_request_gib": 160, "memory_limit_gib": 512},
    "monitoring": {
        "traces": {"endpoint": "https://traces.example.com", "sampled_fraction": 0.01},
        "logs": {"destination": "cloud"},
    },
}
"""The serving stack in an environment of `make_environment`."""
ENVIRONMENTS = (*STACKS, *(f"serving-{cloud}" for cloud in CLOUDS))


def read_environment(name: str) -> Mapping[str, Any]:
    """Return a stack's environment, or one with the serving stack in a cloud."""
    if name in STACKS:
        return read_stack(name, STACKS[name])
    values = make_environment(name.rpartition("-")[2])
    return change(values | {"regions": values["regions"][:1]}, SERVING)


def list_names(name: str) -> list[str]:
    """Return the types and names of an environment's resources and components, each as `parent$type::name`."""
    deployment = deploy(read_environment(name))
    names = (urn.split("::", 2)[2] for urn in (*deployment.resources, *deployment.components))
    return sorted(name for name in names if not name.startswith("pulumi:pulumi:Stack::"))


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for environment in ENVIRONMENTS:
        (GOLDEN / f"{environment}.txt").write_text("\n".join(list_names(environment)) + "\n", encoding="utf-8")
