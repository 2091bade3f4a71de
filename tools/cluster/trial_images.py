"""The images of the stack `trial`, built without a registry: their base is made of Debian's packages.

An image is built again when one of its inputs has changed: its Dockerfile, the requirements, or the serving package.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.cluster.binaries import ClusterError, UnsupportedMachineError, check_programs, lock, report

IMAGES = ("coordinator", "worker-cpu")
DATABASES = "databases"
"""Image with Postgres and Valkey, for tests of stacks that run them. Other stacks use published images."""
ROOT = Path(__file__).parents[2]
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_MAKE_BASE = (
    *("mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"),
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "info", "locale", "man")),
    # The image trusts the certificate authorities that this machine trusts.
    f"--customize-hook=copy-in {_AUTHORITIES} {Path(_AUTHORITIES).parent}",
    '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/*',
    "trixie",
)
_BASE = f"localhost/novacron-base:{hashlib.sha256(repr(_MAKE_BASE).encode()).hexdigest()[:12]}"
_DATABASES_DOCKERFILE = Path(__file__).with_name("databases.Dockerfile")
_INPUTS_LABEL = "novacron.inputs"
_PROGRAMS = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}


def reference(image: str) -> str:
    """Return the name of a built image, which `Pulumi.trial.yaml` has."""
    return f"localhost/novacron-{image}:trial"


def is_current(image: str) -> bool:
    """Return whether the image exists and is built from the present inputs."""
    if shutil.which("buildah") is None:
        return False
    path = f'{{{{index .OCIv1.Config.Labels "{_INPUTS_LABEL}"}}}}'
    command = ["buildah", "inspect", "--type", "image", "--format", path, reference(image)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.returncode == 0 and found.stdout.strip() == _find_inputs(image)


def build_images(images: Sequence[str] = IMAGES) -> None:
    """Build the images that are missing or whose inputs have changed.

    Args:
        images: the images to build.

    Raises:
        UnsupportedMachineError: this machine lacks a program or a right, or Debian's packages cannot be had.
        ClusterError: an image cannot be built.
    """
    check_programs(_PROGRAMS, "images need")
    if os.geteuid() != 0:
        raise UnsupportedMachineError("the images' base can only be made by root")
    with lock("images"):
        outdated = [image for image in images if not is_current(image)]
        if outdated:
            _remove_containers()
            _make_base()
        for image in outdated:
            _build(image)


def _find_inputs(image: str) -> str:
    """Return a digest of everything that goes into an image, but for the packages that requirements pin."""
    files = [ROOT / "images" / f"{image}.Dockerfile", Path(__file__)]
    if image == DATABASES:
        files = [_DATABASES_DOCKERFILE, Path(__file__)]
    else:
        files += sorted((ROOT / "requirements").glob("image-*.txt"))
        package = ROOT / "serving"
        files += [package / "pyproject.toml"]
        files += sorted(
            file
            for file in (package / "novacron_serving").rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        )
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)} {file.stat().st_size}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _remove_containers() -> None:
    """Remove the containers of builds that were interrupted."""
    listed = subprocess.run(
        ["buildah", "containers", "--format", "{{.ContainerID}} {{.ContainerName}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    for line in listed.stdout.splitlines():
        container, name = line.split()
        if name.startswith("novacron-base-working-container"):
            subprocess.run(["buildah", "rm", container], capture_output=True, check=False)


def _make_base() -> None:
    """Make the base image from Debian's packages."""
    if subprocess.run(["buildah", "inspect", _BASE], capture_output=True, check=False).returncode == 0:
        return
    report(f"making {_BASE} of Debian's packages")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "base.tar")
        made = subprocess.run([*_MAKE_BASE, str(archive)], capture_output=True, text=True, check=False)
        if made.returncode:
            last = (made.stderr.strip().splitlines() or ["no message"])[-1]
            raise UnsupportedMachineError(f"{_BASE} cannot be made of Debian's packages: {last}")
        Path(folder, "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
        _run("buildah", "build", "--quiet", "--tag", _BASE, folder)


def _build(image: str) -> None:
    report(f"building {reference(image)}")
    inputs = f"--label={_INPUTS_LABEL}={_find_inputs(image)}"
    if image == DATABASES:
        with tempfile.TemporaryDirectory() as empty:
            _run(
                *("buildah", "build", "--isolation=chroot", "--quiet", f"--build-arg=BASE={_BASE}", inputs),
                *("--tag", reference(image), "--file", str(_DATABASES_DOCKERFILE), empty),
            )
        return
    _run(
        *(str(Path(sys.executable).with_name("novacron")), "images", "build", image, "--builder", "buildah"),
        *("--base", _BASE, f"--build-option={inputs}"),
        *("--build-option=--isolation=chroot", "--build-option=--layers", "--build-option=--quiet"),
    )


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)} failed:\n{done.stdout.strip()[-2000:]}")
