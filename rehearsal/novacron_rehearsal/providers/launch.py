"""Finds and starts provider plug-ins: attached ports, folders, executables, the dynamic provider, and our own."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from novacron_rehearsal.errors import ProviderError
from novacron_rehearsal.protocol import exec_dynamic
from novacron_rehearsal.protocol.children import START_TIMEOUT_S, Child
from novacron_rehearsal.providers.client import Provider, RemoteProvider
from novacron_rehearsal.yaml_files import read_yaml_mapping

DYNAMIC_PACKAGE = "pulumi-python"
KUBERNETES_PACKAGE, RANDOM_PACKAGE = "kubernetes", "random"
# Not `python -m`: that would import modules of the project, which is the working folder, before installed ones.
_RUN_KUBERNETES = (
    "import sys; sys.path = list(filter(None, sys.path)); from novacron_rehearsal.kubernetes.server import main; main()"
)
_INSTALL_CLIENT = (
    "NovaCron's own Kubernetes provider needs the official Python client: pip install 'novacron[kubernetes]'. "
)


@dataclass(frozen=True, slots=True)
class Plugins:
    """The places where providers are found."""

    python: str
    """The Python interpreter of the program, which also runs dynamic providers."""
    project_dir: Path
    socket_dir: Path
    """The folder of this run's sockets, which only this user can open."""
    attached: Mapping[str, int] = field(default_factory=dict[str, int])
    """Port of a running provider, by package."""
    paths: Mapping[str, Path] = field(default_factory=dict[str, Path])
    """Executable, or folder with one or with a `PulumiPlugin.yaml`, by package."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    simulated_only: bool = False
    """Start nothing: only attached providers serve resources, and dynamic resources are simulated."""
    real: frozenset[str] = frozenset()
    """Packages that `simulated_only` starts all the same."""
    recorded: bool = False
    """Start nothing: the state serves every package but the engine's own."""

    def refuses(self, package: str) -> bool:
        """Return whether the provider of a package must not be started."""
        return self.simulated_only and package not in self.real

    def command(self, package: str, version: str) -> tuple[list[str], Path]:
        """Return the command that starts the provider of a package, and its working folder.

        Raises:
            ProviderError: when there is none. The message lists the places that were searched.
        """
        if found := self._find(package, version):
            return found
        if package == KUBERNETES_PACKAGE and importlib.util.find_spec(KUBERNETES_PACKAGE) is not None:
            return [sys.executable, "-u", "-c", _RUN_KUBERNETES], self.project_dir
        executable, home = f"pulumi-resource-{package}", self._home
        raise ProviderError(
            f"no provider plug-in for package {package!r}"
            + (f" version {version}" if version else "")
            + f": searched for an attached port, plugins.providers in Pulumi.yaml, {executable} next to {self.python}, "
            f"on PATH and in {home}/plugins. "
            + (_INSTALL_CLIENT if package == KUBERNETES_PACKAGE else "")
            + "Put a provider in one of these places. `python -m novacron_rehearsal.clouds plugins FOLDER` writes "
            "simulated ones for every package whose Pulumi SDK is installed"
        )

    def uses_own(self, package: str, version: str) -> bool:
        """Return whether NovaCron's own provider serves a package: outside rehearsals, where Pulumi's is not installed.

        The Kubernetes provider is a process that listens on a socket; that of `random` is part of the engine.
        """
        if package not in (KUBERNETES_PACKAGE, RANDOM_PACKAGE) or package in self.attached or self.refuses(package):
            return False
        return self._find(package, version) is None

    @property
    def _home(self) -> Path:
        return Path(self.env.get("PULUMI_HOME") or os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")

    def _find(self, package: str, version: str) -> tuple[list[str], Path] | None:
        """Return the command of a plug-in that is installed, and its working folder."""
        executable = f"pulumi-resource-{package}"
        if package in self.paths:
            return self._of_path(self.paths[package], executable)
        # pip installs a provider that comes with a Python package next to the interpreter, on PATH or not.
        search = os.pathsep.join([str(Path(self.python).parent), self.env.get("PATH") or os.environ.get("PATH", "")])
        if found := shutil.which(executable, path=search):
            return [found], self.project_dir
        for folder in sorted((self._home / "plugins").glob(f"resource-{package}-v{version or '*'}"), reverse=True):
            if (folder / executable).is_file():
                return [str(folder / executable)], self.project_dir
        return None

    def _of_path(self, path: Path, executable: str) -> tuple[list[str], Path]:
        if path.is_file():
            return [str(path)], self.project_dir
        if (path / executable).is_file():
            return [str(path / executable)], self.project_dir
        description = path / "PulumiPlugin.yaml"
        if description.is_file():
            content = read_yaml_mapping(description)
            runtime = content.get("runtime")
            name = runtime.get("name") if isinstance(runtime, dict) else runtime
            if name == "python":
                return [self.python, "-u", str(path)], path
            raise ProviderError(f"{description}: runtime is {name!r}; the rehearsal engine supports only python")
        raise ProviderError(f"plug-in path {str(path)!r} has neither {executable} nor PulumiPlugin.yaml")


@dataclass(slots=True)
class Started:
    """A provider, and its process when the engine started one."""

    provider: Provider
    child: Child | None

    async def stop(self) -> None:
        """Close the connection and stop the process."""
        await self.provider.close()
        if self.child is not None:
            await self.child.stop()


async def start(
    plugins: Plugins, package: str, version: str, engine_address: str, on_line: Callable[[str, bool], None]
) -> Started:
    """Start the provider of a package, or attach to it. It is not configured yet.

    Raises:
        ProviderError: when it must not be started, cannot be found or started, or prints no port.
    """
    port = plugins.attached.get(package)
    if port is not None:
        provider = RemoteProvider(package, f"127.0.0.1:{port}")
        try:
            await asyncio.wait_for(provider.attach(engine_address), START_TIMEOUT_S)
        except (ProviderError, asyncio.TimeoutError) as error:
            await provider.close()
            raise ProviderError(f"the attached {package} provider on port {port} does not respond: {error}") from error
        return Started(provider, None)
    if plugins.refuses(package):
        served = ", ".join(sorted(plugins.attached)) or "none"
        raise ProviderError(
            f"package {package!r} is not simulated, and a rehearsal starts no real provider. Simulated packages: "
            f"{served}. Install the package's Pulumi SDK for Python next to novacron: its classes describe the "
            "resources that the simulation serves"
        )
    if package == DYNAMIC_PACKAGE:
        socket = plugins.socket_dir / f"dynamic-{uuid.uuid4().hex[:8]}"
        command, cwd = [plugins.python, "-u", exec_dynamic.__file__, str(socket)], plugins.project_dir
        arguments, address = command, f"unix:{socket}"
    elif plugins.uses_own(package, version):
        socket = plugins.socket_dir / f"{package}-{uuid.uuid4().hex[:8]}"
        command, cwd = plugins.command(package, version)
        arguments, address = [*command, str(socket), engine_address], f"unix:{socket}"
    else:
        command, cwd = plugins.command(package, version)
        arguments, address = [*command, engine_address], ""
    env = {**os.environ, **plugins.env}
    try:
        child = await Child.start(arguments, cwd=cwd, env=env, on_line=on_line)
    except OSError as error:
        raise ProviderError(f"the {package} provider cannot be started ({' '.join(command)}): {error}") from error
    port = await child.read_port()
    if port is None:
        raise ProviderError(f"the {package} provider printed no port as its first line. Its output:\n{child.output}")
    return Started(RemoteProvider(package, address or f"127.0.0.1:{port}"), child)
