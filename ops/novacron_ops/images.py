"""Building container images from the repository's Dockerfiles, and bringing them to where pods find them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

from novacron_ops.errors import Exit, OpsError


class Image(str, Enum):
    """The images of the serving stack. Each has a Dockerfile of this name in `images/`."""

    COORDINATOR = "coordinator"
    WORKER_CPU = "worker-cpu"
    WORKER_GPU = "worker-gpu"


class Builder(str, Enum):
    """The program that builds and pushes images."""

    BUILDAH = "buildah"
    DOCKER = "docker"


_INSPECT = {Builder.BUILDAH: ("inspect", "--type", "image"), Builder.DOCKER: ("image", "inspect")}


class Destination(str, Enum):
    """Where `load` brings an image."""

    NODE = "node"
    """The node of `make node`."""
    KIND = "kind"
    MINIKUBE = "minikube"
    K3S = "k3s"


@dataclass(frozen=True, slots=True)
class ImageBuilder:
    """Builds, pushes and loads the images of one checkout under one registry and tag."""

    root: Path
    """The project's folder."""
    builder: Builder
    registry: str
    tag: str

    def reference(self, image: Image) -> str:
        """Return the image's name with its tag."""
        return f"{self.registry}/novacron-{image.value}:{self.tag}"

    def build(self, image: Image, *, base: str | None, options: Sequence[str]) -> None:
        """Build an image.

        Args:
            image: the image.
            base: base image in place of the Dockerfile's own.
            options: more options of the builder's `build`.

        Raises:
            OpsError: the build fails.
        """
        dockerfile = self.root / "images" / f"{image.value}.Dockerfile"
        if not dockerfile.is_file():
            raise OpsError(f"{dockerfile} does not exist; run the command in a clone of NovaCron", Exit.BAD_INPUT)
        command = [self.builder.value, "build", "--file", str(dockerfile), "--tag", self.reference(image)]
        command += ["--build-arg", f"REVISION={self._revision()}"]
        command += [] if base is None else ["--build-arg", f"BASE={base}"]
        _run([*command, *options, str(self.root)], f"{self.reference(image)} cannot be built")

    def push(self, image: Image) -> str:
        """Push an image. Returns its name with tag and digest, as a stack's configuration takes it.

        Raises:
            OpsError: the push fails.
        """
        reference = self.reference(image)
        failure = f"{reference} cannot be pushed"
        if self.builder is Builder.DOCKER:
            _run(["docker", "push", reference], failure)
            shown = _read(["docker", "image", "inspect", "--format", "{{json .RepoDigests}}", reference], failure)
            name = f"{self.registry}/novacron-{image.value}@"
            pushed = next(str(digest) for digest in json.loads(shown) if str(digest).startswith(name))
            return f"{reference}@{pushed.partition('@')[2]}"
        with tempfile.TemporaryDirectory() as folder:
            digest = Path(folder, "digest")
            _run(["buildah", "push", "--digestfile", str(digest), reference, f"docker://{reference}"], failure)
            return f"{reference}@{digest.read_text().strip()}"

    def write_sbom(self, image: Image, file: Path) -> None:
        """Write an image's software bill of materials with syft: every Debian and Python package found in its files.

        Args:
            image: the image.
            file: file to write, in SPDX's JSON form.

        Raises:
            OpsError: the image does not exist, or syft is missing or fails.
        """
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder, "image.tar")
            self._save(image, archive)
            name, version = self.reference(image).rsplit(":", 1)
            command = ["syft", "scan", f"docker-archive:{archive}", "--quiet", "--output", f"spdx-json={file}"]
            command += ["--source-name", name, "--source-version", version]
            _run(command, f"the packages of {self.reference(image)} cannot be listed")

    def load(self, image: Image, destination: Destination, name: str) -> None:
        """Bring an image to a cluster on this machine.

        Args:
            image: the image.
            destination: the kind of cluster.
            name: the cluster's name, where the kind has names.

        Raises:
            OpsError: the image or the cluster does not exist.
        """
        failure = f"{self.reference(image)} cannot be loaded into {destination.value}"
        if destination is Destination.K3S:
            self._stream(image, ["k3s", "ctr", "images", "import", "-"], failure)
        elif destination is Destination.NODE:
            self._stream(image, [sys.executable, "-m", "tools.cluster", "--name", name, "load"], failure)
        else:
            with tempfile.TemporaryDirectory() as folder:
                archive = Path(folder, "image.tar")
                self._save(image, archive)
                if destination is Destination.KIND:
                    _run(["kind", "load", "image-archive", str(archive), "--name", name], failure)
                else:
                    _run(["minikube", "image", "load", str(archive), "--profile", name], failure)

    def _stream(self, image: Image, command: Sequence[str], failure: str) -> None:
        """Stream an image to a command's standard input, without a file in between."""
        _read([self.builder.value, *_INSPECT[self.builder], self.reference(image)], self._describe_missing(image))
        with subprocess.Popen(self._archive_command(image), stdout=subprocess.PIPE) as saving:
            assert saving.stdout is not None  # noqa: S101 - it is a pipe
            with saving.stdout:
                _run(command, failure, folder=self.root, given=saving.stdout)
        if saving.returncode:
            raise OpsError(self._describe_missing(image))

    def _save(self, image: Image, archive: Path) -> None:
        _run(self._archive_command(image, archive), self._describe_missing(image))

    def _describe_missing(self, image: Image) -> str:
        return f"{self.reference(image)} cannot be read; build it first with `novacron images build {image.value}`"

    def _archive_command(self, image: Image, file: Path | None = None) -> list[str]:
        """Return the command that writes an image to a file, or to its standard output."""
        reference = self.reference(image)
        if self.builder is Builder.DOCKER:
            # `--output /dev/stdout` would replace /dev/stdout by a file.
            return ["docker", "save", *(() if file is None else ("--output", str(file))), reference]
        return ["buildah", "push", "--quiet", reference, f"docker-archive:{file or '/dev/stdout'}:{reference}"]

    def _revision(self) -> str:
        command = ["git", "-C", str(self.root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"


def choose_builder(wanted: Builder | None) -> Builder:
    """Return the program that builds images: the one asked for, or the first one on PATH.

    Raises:
        OpsError: none is on PATH.
    """
    candidates = [wanted] if wanted else list(Builder)
    found = next((builder for builder in candidates if shutil.which(builder.value)), None)
    if found is None:
        names = " and ".join(builder.value for builder in candidates)
        raise OpsError(
            f"{names} not found on PATH; install Docker, or buildah (apt-get install buildah)", Exit.BAD_INPUT
        )
    return found


def _run(command: Sequence[str], failure: str, folder: Path | None = None, given: IO[bytes] | None = None) -> None:
    try:
        done = subprocess.run(command, check=False, cwd=folder, stdin=given)
    except FileNotFoundError as error:
        raise OpsError(f"{failure}: {command[0]} is not on PATH; install it") from error
    if done.returncode:
        raise OpsError(f"{failure}: {command[0]} ended with status {done.returncode}; its output is above")


def _read(command: Sequence[str], failure: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OpsError(f"{failure}: {done.stderr.strip()}")
    return done.stdout
