"""Writes the golden manifests again: `python -m tests.rehearsal.clouds.golden`, part of `make golden`."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.rehearsal.clouds.test_render import (
    DATABASES_GOLDEN,
    GOLDEN,
    read_databases,
    render_databases,
    render_trial,
)

if __name__ == "__main__":
    os.environ["PULUMI_CONFIG_PASSPHRASE"] = "golden"
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        render_trial(Path(folder))
        shutil.rmtree(GOLDEN, ignore_errors=True)
        shutil.copytree("out", GOLDEN)
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        render_databases(Path(folder))
        shutil.rmtree(DATABASES_GOLDEN, ignore_errors=True)
        for path, text in read_databases(Path(folder, "out")).items():
            file = DATABASES_GOLDEN / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
