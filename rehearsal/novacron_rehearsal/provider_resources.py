"""Provider resources: those that the program declares, and the default ones that the engine adds."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from semver import Version

from novacron_rehearsal import urn
from novacron_rehearsal.diff import compare
from novacron_rehearsal.errors import RehearsalError
from novacron_rehearsal.events import PropertyDiff, StepOp
from novacron_rehearsal.goal import Goal
from novacron_rehearsal.project import StackConfig
from novacron_rehearsal.providers.client import DiffResult, failures_text
from novacron_rehearsal.providers.launch import DYNAMIC_PACKAGE, Started
from novacron_rehearsal.providers.registry import reference
from novacron_rehearsal.resource import ResourceState, now
from novacron_rehearsal.values import PropertyMap, Secret

if TYPE_CHECKING:
    from novacron_rehearsal.deployment import Deployment


class DefaultProviders:
    """The providers of resources that name none: one for each package and version, made when first needed."""

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
        """What serves where the program names no version; empty when the state knows none either."""
        return self._newest.get(package, "")

    async def reference_for(self, goal: Goal) -> str:
        """The reference of a resource's provider."""
        return goal.provider or await self.of(urn.package_of(goal.type), goal.version)

    async def of(self, package: str, version: str) -> str:
        """The reference of a package's default provider."""
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
            future.set_result(reference(state.urn, state.id))
        except BaseException as error:
            future.set_exception(error)
            future.exception()
            raise
        return future.result()

    def _configuration(self, package: str) -> PropertyMap:
        """A package's part of the stack's configuration; dynamic providers get the whole of it, with full names."""
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


async def provider_resource(
    deployment: Deployment, new: ResourceState, old: ResourceState | None, goal: Goal
) -> ResourceState:
    """Bring a provider resource to what the program wants: checked, started, configured and recorded."""
    package = urn.package_of(new.type)
    version = goal.version or deployment.providers.newest_version(package)
    if version and "version" not in new.inputs:
        new.inputs = {**new.inputs, "version": version}
    started = await deployment.registry.launch(package, version, new.urn)
    visible_old = {} if old is None else {k: v for k, v in old.inputs.items() if k != "__internal"}
    inputs, failures = await started.provider.check_config(new.urn, visible_old, new.inputs)
    if failures:
        raise RehearsalError(failures_text(new, failures))
    new.inputs = inputs
    new.outputs = dict(inputs)
    await deployment.ask_policies(new, {})
    if old is None:
        async with deployment.step(StepOp.CREATE, new, None):
            new.id = "" if deployment.run.dry_run else str(uuid.uuid4())
            new.created = new.modified = now()
            await deployment.registry.bind(reference(new.urn, new.id), started, inputs)
            deployment.record(None, [], new)
        return new
    detailed = compare(visible_old, {k: v for k, v in inputs.items() if k != "__internal"})
    diff = DiffResult(changes=False)
    if detailed:
        diff = await started.provider.diff_config(replace(old, inputs=visible_old), inputs)
    if diff.replaces:
        return await _replace_provider(deployment, new, old, started, detailed)
    new.id, new.created, new.modified = old.id, old.created, old.modified
    op = StepOp.UPDATE if detailed else StepOp.SAME
    async with deployment.step(op, new, old, detailed):
        if op is StepOp.UPDATE:
            new.modified = now()
        await deployment.registry.bind(reference(new.urn, new.id), started, inputs)
        deployment.keep(old, new)
    return new


async def _replace_provider(
    deployment: Deployment, new: ResourceState, old: ResourceState, started: Started, detailed: dict[str, PropertyDiff]
) -> ResourceState:
    async with deployment.step(StepOp.CREATE_REPLACEMENT, new, old, detailed):
        new.id = "" if deployment.run.dry_run else str(uuid.uuid4())
        new.created = new.modified = now()
        await deployment.registry.bind(reference(new.urn, new.id), started, new.inputs)
        deployment.retire(old, new)
    deployment.announce(StepOp.REPLACE, new, old, detailed)
    return new


def _newest_versions(resources: Sequence[ResourceState]) -> dict[str, str]:
    """The newest version of each package's providers: it serves where the program names none, as on the CLI."""
    newest: dict[str, str] = {}
    for state in resources:
        version = state.inputs.get("version") if urn.is_provider(state.type) else None
        if isinstance(version, str) and Version.is_valid(version):
            package = urn.package_of(state.type)
            if package not in newest or Version.parse(version) > Version.parse(newest[package]):
                newest[package] = version
    return newest


def is_default(provider_urn: str) -> bool:
    """Whether the engine itself made this provider."""
    name = urn.parse(provider_urn).name
    return name == "default" or name.startswith("default_")
