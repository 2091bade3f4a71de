"""`novacron up`, killed or interrupted at random moments and run again, ends like an undisturbed run.

`NOVACRON_KILLS` sets how many times, `NOVACRON_KILL_SEED` which moments.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from typing import Any

import pytest

from tests.polling import wait_until

from .conftest import LIMIT_S, Project

KILLS = int(os.environ.get("NOVACRON_KILLS", "3"))
SEED = int(os.environ.get("NOVACRON_KILL_SEED", "7"))
pytestmark = [pytest.mark.xdist_group("local platform"), pytest.mark.timeout(60 * KILLS + 120)]

SECRET = "4dabf18193072939515e22adb298388d"
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The form of provider ids."""
RANDOM = ("created", "modified", "digest", "processes")
"""Times, and digests of the random token."""


def kill_command(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def kill_group(pid: int) -> None:
    os.killpg(pid, signal.SIGKILL)


def ctrl_c(pid: int) -> None:
    os.killpg(pid, signal.SIGINT)


WAYS = (kill_command, kill_group, ctrl_c)


def comparable(value: Any) -> Any:
    """Return the state without the values that differ between any two runs."""
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, str):
        return UUID.sub("random", value)
    if not isinstance(value, dict):
        return value
    if SECRET in value:
        return "secret"
    kept = {key: comparable(item) for key, item in value.items() if key not in RANDOM}
    if str(value.get("type", "")).endswith(":GeneratedSecret"):
        kept["id"] = "random"
    return kept


def end_state(project: Project) -> tuple[Any, list[str]]:
    deployment = json.loads(project.succeed("export"))["deployment"]
    resources = sorted(comparable(deployment["resources"]), key=lambda resource: resource["urn"])
    return (resources, deployment.get("pending_operations")), project.services()


def test_up_ends_in_the_same_state_however_often_it_was_killed(project: Project) -> None:
    project.use_light_workers()
    began = time.monotonic()
    project.succeed("up")
    takes_s = time.monotonic() - began
    undisturbed = end_state(project)
    assert len(undisturbed[1]) == 4  # coordinator and worker, each with its supervisor
    project.succeed("down")

    chance = random.Random(SEED)  # noqa: S311 - moments, not secrets
    for number in range(KILLS):
        # Before a tenth of a second, Python itself is still starting.
        kill, moment_s = WAYS[number % len(WAYS)], chance.uniform(0.1, takes_s)
        print(f"{number}: {kill.__name__} after {moment_s:.2f} of {takes_s:.2f} s, seed {SEED}")  # noqa: T201
        command = project.start("up")
        time.sleep(moment_s)
        if command.poll() is None:
            kill(command.pid)
        ends = (0, 130, -signal.SIGINT) if kill is ctrl_c else (0, -signal.SIGKILL)
        assert command.wait(LIMIT_S) in ends, project.output.read_text()
        project.succeed("up")
        wait_until(lambda: project.services() == undisturbed[1], f"only {undisturbed[1]} run: {project.services()}")
        assert end_state(project) == undisturbed
        project.succeed("down")
        wait_until(lambda: project.services() == [], "nothing is left running")
        assert not project.run_dir.exists()
