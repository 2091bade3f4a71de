"""The providers that the engine adds for resources that name none."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

from semver import Version

from novacron_rehearsal import urn
from novacron_rehearsal.project import StackConfig
from novacron_rehearsal.protocol.goal import Goal
from novacron_rehearsal.providers.launch import DYNAMIC_PACKAGE
from novacron_rehearsal.providers.registry import make_reference
from novacron_rehearsal.state.resource import ResourceState
from novacron_rehearsal.values import PropertyMap, Secret


class DefaultProviders:
    """One provider for each package and version, created on first use."""

    def __init__(
        self,
        register: Callable[[Goal], Awaitable[ResourceState]],
        config: StackConfig,
        resources: Sequence[ResourceState],
    ) -> None:
        self._register = register
        self._config = config
        self._made: dict[tuple[str, str], asyncio.Future[str]] = {}
        self._newest = _newest_versions(resources)

    def newest_version(self, package: str) -> str:
        """Return the version for a program that names none; empty when the state has none either."""
        return self._newest.get(package, "")

    async def reference_for(self, goal: Goal) -> str:
        """Return the reference of a resource's provider."""
        return goal.provider or await self.of(urn.package_of(goal.type), goal.version)

    async def of(self, package: str, version: str) -> str:
        """Return the reference of a package's default provider."""
        version = version or self.newest_version(package)
        key = (package, version)
        if key in self._made:
            return await asyncio.shield(self._made[key])
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._made[key] = future
        inputs = self._configuration(package)
        if version:
            inputs["version"] = version
        goal = Goal(
            type=f"{urn.PROVIDER_TYPE_PREFIX}{package}",
            name="_".join(["default", *re.split(r"[.+-]", version)]) if version else "default",
            custom=True,
            parent="",
            inputs=inputs,
            dependencies=[],
            property_dependencies={},
            version=version,
        )
        try:
            state = await self._register(goal)
            future.set_result(make_reference(state.urn, state.id))
        except BaseException as error:
            future.set_exception(error)
            future.exception()
            raise
        return future.result()

    def _configuration(self, package: str) -> PropertyMap:
        """Return a package's part of the stack's configuration. Dynamic providers get all of it, with full names."""
        config = self._config
        found: PropertyMap = {}
        for key, text in config.values.items():
            namespace, _, name = key.partition(":")
            value = Secret(text) if key in config.secret_keys else text
            if package == DYNAMIC_PACKAGE:
                found[key] = value
            elif namespace == package:
                found[name] = value
        return found


def _newest_versions(resources: Sequence[ResourceState]) -> dict[str, str]:
    """Return the newest version of each package's providers in the state: the default version, as on the CLI."""
    newest: dict[str, str] = {}
    for state in resources:
        version = state.inputs.get("version") if urn.is_provider(state.type) else None
        if isinstance(version, str) and Version.is_valid(version):
            package = urn.package_of(state.type)
            if package not in newest or Version.parse(version) > Version.parse(newest[package]):
                newest[package] = version
    return newest


def is_default(provider_urn: str) -> bool:
    """Return whether the engine added this provider."""
    name = urn.parse(provider_urn).name
    return name == "default" or name.startswith("default_")
