"""The process that runs a Pulumi program: an interrupt ends it without a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from novacron_rehearsal.protocol import exec_program
from pulumi import log
from pulumi import resource as sdk_resource
from pulumi.runtime import resource as sdk

SETTINGS = {
    "config": {},
    "config_secret_keys": [],
    "monitor": "",
    "engine": "",
    "project": "shop",
    "stack": "dev",
    "parallel": 1,
    "dry_run": True,
    "organization": "organization",
    "root_directory": "",
}


@pytest.mark.parametrize(
    ("pulumi", "runtime"),
    [
        ("raise KeyboardInterrupt", ""),
        ("class RunError(Exception): ...", "async def run_in_stack(_):\n    raise KeyboardInterrupt"),
    ],
    ids=["while the SDK is imported", "while the program runs"],
)
def test_an_interrupted_program_ends_with_130_and_prints_nothing(tmp_path: Path, pulumi: str, runtime: str) -> None:
    package = tmp_path / "pulumi"
    package.mkdir()
    (package / "__init__.py").write_text(pulumi)
    (package / "runtime.py").write_text(
        f"set_all_config = lambda *_: None\nSettings = dict\nconfigure = lambda _: None\n{runtime}\n"
    )
    (package / "log.py").write_text("debug = None\n")
    (tmp_path / "__main__.py").write_text("")
    done = subprocess.run(
        [sys.executable, exec_program.__file__],
        input=json.dumps({**SETTINGS, "program": str(tmp_path)}),
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (exec_program.INTERRUPTED, "", "")


class Resource:
    def __init__(self) -> None:
        self.ours, self.of_the_sdk = exec_program._find_caller(), sdk._get_stack_trace()


class CustomResource(Resource):
    def __init__(self) -> None:
        super().__init__()


class Bucket(CustomResource):
    def __init__(self) -> None:
        super().__init__()


def test_source_position_of_a_resource_is_the_one_that_the_sdk_finds() -> None:
    bucket = Bucket()
    assert bucket.ours.frames[0] == bucket.of_the_sdk.frames[0]
    assert bucket.ours.frames[0].pc.uri == Path(__file__).as_uri()
    assert CustomResource().ours == CustomResource().of_the_sdk


def test_functions_of_the_sdk_are_there_again_after_a_program() -> None:
    before = (log.debug, sdk_resource.collapse_alias_to_urn, sdk._get_stack_trace)
    with exec_program.without_unused_work():
        replaced = (log.debug, sdk_resource.collapse_alias_to_urn, sdk._get_stack_trace)
        assert not set(replaced) & set(before)
    assert (log.debug, sdk_resource.collapse_alias_to_urn, sdk._get_stack_trace) == before
