"""Writes the golden manifests again: `python -m tests.rehearsal.clouds.golden`, part of `make golden`."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.rehearsal.clouds.test_render import GOLDEN, render_trial

if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        os.environ["PULUMI_CONFIG_PASSPHRASE"] = "golden"
        os.chdir(folder)
        render_trial(Path(folder))
        shutil.rmtree(GOLDEN, ignore_errors=True)
        shutil.copytree("out", GOLDEN)
